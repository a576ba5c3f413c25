"""tanh and the logistic function of the kernels, against float64.

With T = 1, A = 0, h = 0 and a step size of 1 the state afterwards is tanh(b), or in the gated cell
tanh(b) sigma(bz). Values come in as biases, n of them for each member of a population.
"""

import jax
import jax.numpy as jnp
import numpy as np

from asrnn.recurrence.native import cuda

UNITS = 64
SMALL = np.geomspace(1e-6, 1, 2000)
DENSE = np.linspace(-20, 20, 20_001)
LARGE = np.linspace(20, 87, 2000)
VALUES = np.concatenate([DENSE, SMALL, -SMALL, LARGE, -LARGE]).astype(np.float32)
ODD = np.array([0.0, -0.0, 88.0, -88.0, 100.0, -100.0, np.inf, -np.inf, np.nan], np.float32)
TINY = float(np.finfo(np.float32).tiny)


def after_one_step(values: np.ndarray, *, gate: bool) -> np.ndarray:
    """tanh of the values; or, where they are the gate's, sigma of them."""
    padded = np.pad(values, (0, -values.size % UNITS)).reshape(-1, UNITS)
    zeros = jnp.zeros((1, UNITS))
    one = jnp.ones(UNITS)

    def step(bias: jax.Array) -> jax.Array:
        candidate = 20 * one if gate else bias  # tanh(20) is 1
        gated = (zeros, bias) if gate else (None, None)
        last, _ = cuda.unroll(
            jnp.zeros((UNITS, UNITS)),
            zeros,
            candidate,
            *gated,
            1.0,
            jnp.zeros((1, 1, 1)),
            zeros,
            return_states=False,
        )
        return last[0]

    return np.asarray(jax.jit(jax.vmap(step))(padded)).ravel()[: values.size]


def sigmoid(v: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(v))
    return np.where(v < 0, e, 1.0) / (1.0 + e)


def errors_in_ulp(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return np.abs(found.astype(np.float64) - exact) / np.spacing(np.abs(exact).astype(np.float32))


def test_tanh_is_accurate(kernel: None) -> None:
    found = after_one_step(VALUES, gate=False)
    assert errors_in_ulp(found, np.tanh(VALUES.astype(np.float64))).max() <= 4


def test_the_logistic_function_is_accurate(kernel: None) -> None:
    """Far out it is 1 / 2^x: 2^x is documented to 2^-22, up to 4 units in the last place, 1/x to 1,
    and there are two roundings of up to 1 in between."""
    found = after_one_step(VALUES, gate=True)
    errors = errors_in_ulp(found, sigmoid(VALUES.astype(np.float64)))
    assert errors[VALUES >= -1].max() <= 4
    assert errors.max() <= 7


def test_odd_values(kernel: None) -> None:
    """Results that float32 can only hold as subnormal numbers may be flushed."""
    with np.errstate(over="ignore"):
        exact = ODD.astype(np.float64)
        for gate, expected in ((False, np.tanh(exact)), (True, sigmoid(exact))):
            found = after_one_step(ODD, gate=gate)
            np.testing.assert_allclose(found, expected, rtol=2.0**-22, atol=TINY)
