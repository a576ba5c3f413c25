"""The fused recurrence against float64, for sizes that nobody chose."""

import jax
import jax.numpy as jnp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from asrnn.recurrence.adjoint import adjoint
from tests.recurrence.native.reference import (
    Sizes,
    any_sizes,
    as_jax,
    cotangents,
    distance,
    forward64,
    gradients64,
    largest_error,
    random_arguments,
)


# Nothing is shrunk: each example is compiled, and its sizes are small.
@settings(
    derandomize=True,
    deadline=None,
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(sizes=any_sizes, seed=st.integers(0, 99))
def test_any_sizes(sizes: Sizes, seed: int) -> None:
    arguments = random_arguments(sizes, seed)
    d_final, d_states = cotangents(sizes, True)

    def loss(present: list[jax.Array]) -> tuple[jax.Array, tuple[jax.Array, jax.Array | None]]:
        left = iter(present)
        final, states = adjoint(
            *(None if a is None else next(left) for a in arguments), return_states=True
        )
        return jnp.sum(final * d_final) + jnp.sum(states * d_states), (final, states)

    present = [a for a in as_jax(arguments) if a is not None]
    (_, (final, states)), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(present)
    exact = forward64(arguments)
    assert distance(final, exact[-1]) < 1e-6
    assert distance(states, exact[1:]) < 1e-6
    assert largest_error(gradients, gradients64(arguments, d_final, d_states)) < 5e-6
