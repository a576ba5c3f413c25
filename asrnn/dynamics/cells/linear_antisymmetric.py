"""The linear antisymmetric RNN (LARNN) of Moe, Remonato, Grøtli and Gravdahl (L4DC 2020).

    h' = S h + tanh(V x + b),    S = W - Wᵀ

The state enters linearly and without its own tanh, so that the homogeneous equation is solved
exactly by the orthogonal matrix e^{tS}. `exponential_euler`, `cayley` and `implicit_midpoint`
keep the norm of a state without input; Euler's method, which the paper compares them with, lets it
grow by √(1 + ε²ω²) a step.

Source: Proceedings of Machine Learning Research 120 (2020), where S = Wᵀ - W; the sign names the
free entries only.
"""

from typing import NamedTuple

from asrnn.dynamics.cells.antisymmetric import antisymmetric_matrix, init_antisymmetric
from asrnn.dynamics.contract import STEP_SIZE, Ode, Scalars
from asrnn.dynamics.initializers import INIT_SCALE, INPUT_SCALE
from asrnn.dynamics.tanh_field import affine
from asrnn.lazy import jnp
from asrnn.typing import Array, Params


class LinearField(NamedTuple):
    """f(h, x) = S h + tanh(V x + b).

    Attributes:
      linear_matrix: S, `[n, n]`, acting on columns.
      input_kernel: Vᵀ, `[m, n]`.
      bias: b, `[n]`.
    """

    linear_matrix: Array
    input_kernel: Array
    bias: Array

    def linear_part(self) -> Array:
        """S `[n, n]`, acting on columns."""
        return self.linear_matrix

    def remainder(self, h: Array, x: Array) -> Array:
        """tanh(V x + b) `[..., n]`, whatever h."""
        del h
        return jnp.tanh(affine(x, self.input_kernel, self.bias))

    def __call__(self, h: Array, x: Array) -> Array:
        """Evaluates f at h `[..., n]` and x `[..., m]`; the result is `[..., n]`."""
        return h @ self.linear_matrix.T + self.remainder(h, x)


def linear_antisymmetric_field(params: Params, coefficients: Scalars) -> LinearField:
    """The field at some parameters, S made once per sequence."""
    del coefficients
    S = antisymmetric_matrix(params["recurrent_triangle"], params["bias"].shape[0])
    return LinearField(S, params["input_kernel"], params["bias"])


LINEAR_ANTISYMMETRIC = Ode(
    init_antisymmetric,
    linear_antisymmetric_field,
    "Moe, Remonato, Grøtli, Gravdahl 2020",
    (STEP_SIZE, INIT_SCALE, INPUT_SCALE),
    offers=frozenset({"field", "linear"}),
)
