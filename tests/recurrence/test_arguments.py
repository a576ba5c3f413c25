"""What no backend can run is refused by all of them in the same line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asrnn import AntisymmetricCell
from asrnn.dynamics import Coefficients, make_cell
from asrnn.errors import ConfigError
from asrnn.recurrence import BACKENDS, native, unroll
from asrnn.typing import Array
from tests.dynamics.reference import OTHERS

every_backend = pytest.mark.parametrize("backend", ["auto", *BACKENDS])
T, B, M, N = 5, 4, 2, 4
"""B = n: a vector of this size can be taken for either, and no shape tells."""

EPSILON, GAMMA = 0.1, 0.05


def run(backend: str, name: str = "antisymmetric", **changes: Any) -> tuple[Any, Any]:
    """`asrnn.unroll` of a small problem, of which some arguments are others."""
    cell = make_cell(name)
    given: dict[str, Any] = {
        "params": cell.init(jax.random.key(0), M, N),
        "coefficients": Coefficients(EPSILON, GAMMA),
        "inputs": jax.random.normal(jax.random.key(1), (T, B, M)),
        "initial_carry": None,
    }
    given |= changes
    return unroll(cell, backend=backend, **given)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a step size for each unit": (
        {"coefficients": Coefficients(jnp.full(N, EPSILON), GAMMA)},
        "the coefficient 'step_size' must be a scalar, found shape (4,);",
    ),
    "a diffusion for each unit": (
        {"coefficients": Coefficients(EPSILON, np.full(N, GAMMA))},
        "the coefficient 'diffusion' must be a scalar, found shape (4,);",
    ),
    "a step size in an axis of its own": (
        {"coefficients": Coefficients(jnp.full(1, EPSILON), GAMMA)},
        "the coefficient 'step_size' must be a scalar, found shape (1,);",
    ),
    "a step size that is not a number": (
        {"coefficients": Coefficients(float("nan"), GAMMA)},
        "the coefficient 'step_size' must be finite, found nan",
    ),
    "an infinite step size in an array": (
        {"coefficients": Coefficients(jnp.asarray(jnp.inf), GAMMA)},
        "the coefficient 'step_size' must be finite, found inf",
    ),
    "one sequence without a batch": (
        {"inputs": jnp.ones((T, M))},
        "inputs must be [T, B, m] (time, batch, channels), found shape (5, 2);",
    ),
    "pictures": (
        {"inputs": jnp.ones((T, B, M, 3))},
        "inputs must be [T, B, m] (time, batch, channels), found shape (5, 4, 2, 3);",
    ),
    "no sequences": (
        {"inputs": jnp.ones((T, 0, M))},
        "inputs [T, B, m] need B and m of at least 1, found shape (5, 0, 2)",
    ),
    "no channels": (
        {"inputs": jnp.ones((T, B, 0))},
        "inputs [T, B, m] need B and m of at least 1, found shape (5, 4, 0)",
    ),
    "other channels than the parameters'": (
        {"inputs": jnp.ones((T, B, 3))},
        "inputs [T, B, m] of shape (5, 4, 3) have m = 3, but the parameters are for m = 2;",
    ),
    "batch first": (
        {"inputs": jnp.ones((M, B, T))},
        "inputs [T, B, m] of shape (2, 4, 5) have m = 5, but the parameters are for m = 2;",
    ),
    "less than one step per iteration": ({"unroll": -1}, "unroll must be at least 1, found -1"),
    "no step per iteration": ({"unroll": 0}, "unroll must be at least 1, found 0"),
    "a carry of another batch": (
        {"initial_carry": jnp.zeros((3, N))},
        "the initial carry must be (4, 4) in shape, found (3, 4);",
    ),
    "a carry of another cell": (
        {"initial_carry": (jnp.zeros((B, N)), jnp.zeros((B, N)))},
        "the initial carry must be (4, 4) in shape, found ((4, 4), (4, 4));",
    ),
}


@pytest.mark.parametrize("backend", ["auto", "native"])
@pytest.mark.parametrize(("changes", "line"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line(
    backend: str, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        run(backend, **changes)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


@every_backend
def test_a_traced_vector_is_refused_too(backend: str) -> None:
    def last(step_size: Array) -> Array:
        state: Array = run(backend, coefficients=Coefficients(step_size, GAMMA))[0]
        return state

    with pytest.raises(ConfigError, match="'step_size' must be a scalar, found shape"):
        jax.jit(last)(jnp.full(N, EPSILON))
    assert jax.vmap(last)(jnp.full(N, EPSILON)).shape == (N, B, N)


@every_backend
def test_no_steps_leave_the_initial_carry(backend: str) -> None:
    start = jnp.ones((B, N))
    last, states = run(backend, inputs=jnp.ones((0, B, M)), initial_carry=start, return_states=True)
    np.testing.assert_array_equal(last, start)
    assert states is not None
    assert states.shape == (0, B, N)


def test_a_coefficient_that_the_cell_does_not_read_is_not_looked_at() -> None:
    run("auto", coefficients=Coefficients(EPSILON, GAMMA, damping=jnp.ones(3)))


KINDS: dict[str, Callable[[float], Any]] = {"NumPy": np.float64, "an array": jnp.asarray}


@pytest.mark.parametrize(
    ("name", "backend"),
    [("antisymmetric", backend) for backend in BACKENDS]
    + [(name, "auto") for name in ("hamiltonian", "lipschitz", "lem")],
)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_coefficients_take_the_dtype_of_the_parameters(
    kind: Callable[[float], Any], name: str, backend: str
) -> None:
    params = make_cell(name).init(jax.random.key(0), M, N)
    half = {key: array.astype(jnp.bfloat16) for key, array in params.items()}

    def at(kind: Callable[[float], Any]) -> tuple[Any, Any]:
        others = {key: kind(value) for key, value in OTHERS.items()}
        coefficients = Coefficients(kind(EPSILON), kind(GAMMA), **others)
        return run(backend, name, params=half, coefficients=coefficients, return_states=True)

    found, expected = at(kind), at(float)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == jnp.bfloat16
        np.testing.assert_array_equal(one, other)


def penalty(backend: str) -> Callable[[Array], Array]:
    """The squared norm of a gradient, as in a gradient penalty."""

    def loss(inputs: Array) -> Array:
        last: Array = run(backend, inputs=inputs)[0]
        return jnp.sum(last**2)

    return lambda inputs: jnp.sum(jax.grad(loss)(inputs) ** 2)


INPUTS = jnp.linspace(-1.0, 1.0, T * B * M).reshape(T, B, M)


@pytest.fixture
def kernel(kernel_cache: str) -> None:
    if reason := native.available(N, M, False):
        pytest.skip(reason)


def test_adjoint_has_the_gradient_of_a_gradient_of_scan() -> None:
    found, expected = (
        jax.jit(jax.grad(penalty(backend)))(INPUTS) for backend in ("adjoint", "scan")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("compiled", [jax.jit, lambda function: function], ids=["jit", "eager"])
def test_the_gradient_of_a_native_gradient_is_refused_and_scan_is_named(
    kernel: None, compiled: Callable[[Any], Any]
) -> None:
    with pytest.raises(ConfigError) as refused:
        compiled(jax.grad(penalty("native")))(INPUTS)
    assert str(refused.value) == (
        "the native recurrence has gradients and no gradients of these;"
        ' give backend="scan" for the second derivative'
    )


@pytest.mark.parametrize(
    ("backend", "differentiated"), [("scan", True), ("adjoint", False), ("adjoint", True)]
)
def test_a_recurrence_can_be_exported(backend: str, differentiated: bool) -> None:
    def last(inputs: Array) -> Array:
        return jnp.sum(run(backend, inputs=inputs)[0])

    function = jax.jit(jax.grad(last) if differentiated else last)
    exported = jax.export.export(function)(INPUTS)
    np.testing.assert_allclose(exported.call(INPUTS), function(INPUTS), rtol=1e-6)


@pytest.mark.parametrize("backend", ["auto", "native"])
def test_the_export_of_a_native_recurrence_is_refused_and_scan_is_named(
    kernel: None, backend: str
) -> None:
    function = jax.jit(lambda inputs: run(backend, inputs=inputs)[0])
    function(INPUTS)
    with pytest.raises(ConfigError) as refused:
        jax.export.export(function)(INPUTS)
    assert str(refused.value) == (
        'the native recurrence cannot be exported; give backend="scan" for jax.export'
    )


@pytest.mark.parametrize("sizes", [(0, 4), (4, 0), (-1, 4)])
def test_a_cell_of_flax_without_inputs_or_units_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"features must be at least 1, found (0|-1)$"):
        AntisymmetricCell(*sizes, step_size=EPSILON, diffusion=GAMMA, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_a_cell_of_flax_with_an_impossible_step_size_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="step_size must be positive and finite, found"):
        AntisymmetricCell(M, N, step_size=value, diffusion=GAMMA, rngs=nnx.Rngs(0))
