"""The backward pass that takes states back, against the one that keeps them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asrnn.config import base_config
from asrnn.dynamics import Coefficients, make_cell
from asrnn.errors import ConfigError
from asrnn.recurrence import choose_backend, native, unroll
from asrnn.training.experiment import make_experiment
from asrnn.training.saved import with_changes
from tests.recurrence.test_kernels import assert_close, in_float64

CASES = [
    ("gated_hamiltonian", "leapfrog", False),
    ("unicornn", "leapfrog", True),
]
COEFFICIENTS = Coefficients(0.2, 0.0, stiffness=0.5)


def problem(name, scheme, sizes=(23, 3, 6, 2)):
    """A cell, random parameters, inputs and a state that is not zero."""
    length, batch, n, m = sizes
    keys = jax.random.split(jax.random.key(1), 4)
    cell = make_cell(name, scheme)
    params = cell.init(keys[0], m, n)
    params |= {k: p + 0.1 for k, p in params.items() if "bias" in k}
    state = jax.tree.map(
        lambda part: jax.random.normal(keys[2], part.shape), cell.initial_carry(params, batch)
    )
    return cell, (params, COEFFICIENTS, jax.random.normal(keys[1], (length, batch, m)), state)


def differentiate(cell, arguments, **options):
    """Results, and the gradients of a fixed functional in all arguments."""

    def functional(params, coefficients, inputs, state):
        results = unroll(cell, params, coefficients, inputs, state, **options)
        total = sum(jnp.cos(3.0 * leaf).sum() for leaf in jax.tree.leaves(results))
        return total, results

    run = jax.value_and_grad(functional, argnums=(0, 1, 2, 3), has_aux=True)
    (_, results), gradients = jax.jit(run)(*jax.tree.map(jnp.asarray, arguments))
    for scalar in cell.ode.separable:  # the gradient in a scalar that has to be 0 is another's
        assert np.isfinite(gradients[1][scalar])
    return results, gradients


@pytest.mark.parametrize(("name", "scheme", "return_states"), CASES)
def test_states_taken_back_give_the_gradients_of_states_kept(x64, name, scheme, return_states):
    cell, arguments = problem(name, scheme)
    arguments = in_float64(arguments)
    options = {"backend": "scan", "return_states": return_states}
    found = differentiate(cell, arguments, remat="reverse", **options)
    kept = differentiate(cell, arguments, **options)
    assert_close(found, kept, 1e-10)


@pytest.mark.parametrize("backend", ["scan", "native"])
def test_in_float32_they_are_those_of_float64(backend):
    if backend == "native" and (reason := native.cpu.available()) is not None:
        pytest.skip(reason)
    cell, arguments = problem("gated_hamiltonian", "symplectic_euler", (50, 19, 34, 3))
    assert choose_backend(backend, cell, arguments[0])[:2] == (backend, None)
    found = differentiate(cell, arguments, backend=backend, remat="reverse", return_states=True)
    with jax.enable_x64(True):
        wide = differentiate(cell, in_float64(arguments), backend="scan", return_states=True)
        wide = jax.tree.map(np.asarray, wide)
    assert_close(found[0], wide[0], 5e-6)
    assert_close(found[1], wide[1], 2e-5)


@pytest.mark.parametrize("backend", ["scan", "native"])
def test_what_is_kept_does_not_grow_with_the_length(backend):
    if backend == "native" and (reason := native.cpu.available()) is not None:
        pytest.skip(reason)

    def kept_beside_inputs(length):
        cell, (params, *rest) = problem("hamiltonian", "symplectic_euler", (length, 4, 8, 1))

        def backward(params):
            def last(params):
                result = unroll(cell, params, *rest, backend=backend, remat="reverse")
                return sum(part.sum() for part in result[0])

            return jax.vjp(last, params)[1]

        leaves = jax.tree.leaves(jax.eval_shape(backward, params))
        return sum(leaf.size for leaf in leaves) - length * 4

    assert kept_beside_inputs(400) == kept_beside_inputs(20)


def test_a_scalar_that_turns_out_not_to_be_0_gives_no_gradient():
    cell, (params, _, inputs, state) = problem("hamiltonian", "leapfrog")

    @jax.jit
    def gradient(diffusion):
        def loss(params):
            scalars = Coefficients(0.2, diffusion)
            return unroll(cell, params, scalars, inputs, state, remat="reverse")[0][0].sum()

        return jax.grad(loss)(params)["coupling"]

    assert np.isfinite(gradient(0.0)).all()
    assert np.isnan(gradient(0.1)).all()


@pytest.mark.parametrize(
    ("name", "scheme", "values", "diffusion", "words"),
    [
        ("antisymmetric", "euler", {}, 0.0, ["unicornn, hamiltonian", "leapfrog", "segments"]),
        ("hamiltonian", "rk4", {}, 0.0, ["symplectic_euler or leapfrog"]),
        ("cornn", "leapfrog", {}, 0.0, ["undone exactly"]),
        ("lstm", "euler", {}, 0.0, ["undone exactly"]),
        ("hamiltonian", "leapfrog", {"substeps": 2}, 0.0, ["model.substeps at 1"]),
        ("hamiltonian", "leapfrog", {}, 0.1, ["model.diffusion=0, found 0.1"]),
    ],
)
def test_what_cannot_be_undone_is_refused_in_one_line(name, scheme, values, diffusion, words):
    cell = make_cell(name, scheme, **values)
    params = cell.init(jax.random.key(0), 1, 4)
    scalars = Coefficients(0.1, diffusion, damping=0.0, stiffness=0.0)
    with pytest.raises(ConfigError) as refused:
        unroll(cell, params, scalars, jnp.zeros((3, 2, 1)), remat="reverse")
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


def test_an_unknown_remat_is_refused():
    cell, arguments = problem("hamiltonian", "leapfrog")
    with pytest.raises(ConfigError, match=r"none, segments, reverse.*True"):
        unroll(cell, *arguments, remat=True)


def test_a_run_that_could_not_take_its_states_back_is_refused_before_it_starts():
    config = base_config()
    config.update_from_flattened_dict(
        {
            "model.cell": "hamiltonian",
            "model.discretization": "leapfrog",
            "model.diffusion": 0.0,
            "model.hidden_size": 8,
            "recurrence.remat": "reverse",
        }
    )
    make_experiment(config)
    config.model.diffusion = 0.01
    with pytest.raises(ConfigError, match=r"model\.diffusion=0, found 0\.01"):
        make_experiment(config)


def test_a_network_that_was_trained_so_can_be_asked_under_a_scheme_without_an_inverse():
    config = base_config()
    config.update_from_flattened_dict(
        {
            "model.cell": "hamiltonian",
            "model.discretization": "leapfrog",
            "model.diffusion": 0.0,
            "recurrence.remat": "reverse",
        }
    )
    asked = with_changes(config, {"model.discretization": "rk4", "model.diffusion": 0.1})
    assert asked.recurrence.remat == "none"
    make_experiment(asked)
