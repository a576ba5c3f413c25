"""The modules of Flax: names, shapes, counts, and the same values as the functions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import asrnn
from asrnn.config import base_config
from asrnn.dynamics import CELLS, Coefficients, make_cell, recurrent_matrix
from asrnn.models import READOUTS, AntisymmetricCell, SequenceNetwork, num_parameters
from asrnn.optimizers import make_optimizer
from tests.dynamics.reference import DIFFUSION, OTHERS, SHAPES, STEP_SIZE, M, N

LENGTH, BATCH, CLASSES = 6, 4, 10
COEFFICIENTS = Coefficients(STEP_SIZE, DIFFUSION, **OTHERS)


def make_antisymmetric(*, seed=0, hidden_features=N, step_size=STEP_SIZE, **options):
    """An AntisymmetricCell whose biases are not zero."""
    cell = AntisymmetricCell(
        M,
        hidden_features,
        step_size=step_size,
        diffusion=DIFFUSION,
        rngs=nnx.Rngs(seed),
        **options,
    )
    for bias in ("bias", "gate_bias"):
        if bias in cell.params:
            cell.params[bias][...] = jnp.linspace(-1, 1, hidden_features)
    return cell


def arrays(module_params):
    return {name: param[...] for name, param in module_params.items()}


@pytest.mark.parametrize(("gated", "discretization"), [(False, "euler"), (True, "rk4")])
def test_the_cell_in_the_rnn_of_flax_is_unroll(key, gated, discretization):
    cell = make_antisymmetric(gated=gated, discretization=discretization)
    inputs = jax.random.normal(key, (LENGTH, BATCH, M))
    carry, states = nnx.RNN(cell, time_major=True, return_carry=True)(inputs)
    ours, our_states = asrnn.unroll(
        make_cell("gated_antisymmetric" if gated else "antisymmetric", discretization),
        arrays(cell.params),
        COEFFICIENTS,
        inputs,
        backend="scan",
        return_states=True,
    )
    np.testing.assert_allclose(carry, ours, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(states, our_states, rtol=1e-6, atol=1e-7)
    batch_major = nnx.RNN(cell)(inputs.swapaxes(0, 1))
    np.testing.assert_allclose(batch_major.swapaxes(0, 1), our_states, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("gated", [False, True])
def test_the_step_is_equation_12_or_13(gated):
    cell = make_antisymmetric(gated=gated)
    p = {name: np.float64(array) for name, array in arrays(cell.params).items()}
    rng = np.random.default_rng(0)
    h, x = rng.standard_normal(N), rng.standard_normal(M)
    shared = np.float64(cell.recurrent_matrix()) @ h
    growth = np.tanh(shared + p["input_kernel"].T @ x + p["bias"])
    if gated:
        growth /= 1 + np.exp(-(shared + p["gate_input_kernel"].T @ x + p["gate_bias"]))
    carry, output = cell(jnp.float32(h[None]), jnp.float32(x[None]))
    np.testing.assert_allclose(carry[0], h + STEP_SIZE * growth, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output, carry)


@pytest.mark.parametrize("leading", [(), (BATCH,), (2, N), (N, 2)])
def test_the_cell_takes_any_number_of_batch_axes(key, leading):
    # N among them: a contraction over the wrong axis would go unnoticed by its shape.
    cell = make_antisymmetric(gated=True)
    carry = cell.initialize_carry((*leading, M)) + 0.5
    x = jax.random.normal(key, (*leading, M))
    expected, _ = cell(carry.reshape(-1, N), x.reshape(-1, M))
    result, _ = cell(carry, x)
    np.testing.assert_allclose(result, expected.reshape(carry.shape), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("gated", [False, True])
def test_the_recurrent_matrix_is_antisymmetric_but_for_the_diffusion(gated):
    cell = make_antisymmetric(gated=gated, hidden_features=8)
    matrix = np.asarray(cell.recurrent_matrix())
    assert matrix.shape == (8, 8)
    np.testing.assert_array_equal(np.diag(matrix), -np.float32(DIFFUSION))
    np.testing.assert_array_equal(np.triu(matrix, 1), -np.tril(matrix, -1).T)
    packed = matrix[np.triu_indices(8, 1)]
    np.testing.assert_array_equal(packed, cell.params["recurrent_triangle"][...])


def test_init_scale_is_the_standard_deviation_of_the_matrix_times_root_n():
    cell = make_antisymmetric(hidden_features=100, init_scale=3.0)
    assert np.std(cell.params["recurrent_triangle"][...]) == pytest.approx(0.3, rel=0.05)


def test_the_cell_survives_split_merge_and_jit(key):
    cell = make_antisymmetric(gated=True)
    graphdef, params = nnx.split(cell)
    carry, x = jnp.ones((BATCH, N)), jax.random.normal(key, (BATCH, M))
    merged = jax.jit(lambda params, carry, x: nnx.merge(graphdef, params)(carry, x))
    expected = cell(carry, x)[0]
    np.testing.assert_allclose(merged(params, carry, x)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(nnx.jit(lambda c, *a: c(*a))(cell, carry, x)[0], expected, 1e-6)


def test_all_parameters_of_the_cell_are_trainable(key):
    cell = make_antisymmetric(gated=True)
    inputs = jax.random.normal(key, (BATCH, LENGTH, M))
    gradients = nnx.grad(lambda cell: jnp.sum(jnp.sin(nnx.RNN(cell)(inputs))))(cell)
    leaves = jax.tree_util.tree_leaves_with_path(gradients)
    assert len(leaves) == 5
    for path, leaf in leaves:
        assert np.all(leaf != 0), path


def test_the_same_seed_makes_the_same_cell():
    one, same, other = (make_antisymmetric(seed=seed).recurrent_matrix() for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_the_classifier_has_the_parameters_of_its_cell_and_a_dense_head(name):
    model = nnx.eval_shape(lambda: SequenceNetwork(name, M, N, CLASSES, rngs=nnx.Rngs(0)))
    shapes = jax.tree.map(lambda leaf: leaf.shape, nnx.to_pure_dict(nnx.state(model)))
    assert shapes == {"recurrent": SHAPES[name], "head": {"kernel": (N, CLASSES), "bias": (10,)}}


def test_the_kernel_of_the_head_has_the_variance_of_its_fan_in():
    model = SequenceNetwork("vanilla", 1, 400, 50, rngs=nnx.Rngs(0))
    assert np.std(model.head["kernel"][...]) == pytest.approx(1 / 20, rel=0.02)
    np.testing.assert_array_equal(model.head["bias"][...], 0)


@pytest.mark.parametrize("name", ["gated_antisymmetric", "cornn", "lstm"])
def test_logits_are_the_head_of_the_last_hidden_state(key, name):
    model = SequenceNetwork(name, M, N, CLASSES, rngs=nnx.Rngs(0))
    model.head["bias"][...] = jnp.arange(10.0)
    inputs = jax.random.normal(key, (LENGTH, BATCH, M))
    carry, _ = asrnn.unroll(
        model.cell, arrays(model.recurrent), COEFFICIENTS, inputs, backend="scan"
    )
    last = np.asarray(model.cell.hidden(carry))
    expected = last @ np.asarray(model.head["kernel"][...]) + np.arange(10)
    logits = model(inputs, COEFFICIENTS, backend="scan")
    assert logits.shape == (BATCH, CLASSES)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "readout"),
    [(name, readout) for name in ("gated_antisymmetric", "lstm") for readout in READOUTS]
    + [(name, "last") for name in ("hamiltonian", "cornn", "expm")],
)
def test_two_layers_are_two_recurrences_and_the_head_reads_the_second(key, name, readout):
    model = SequenceNetwork(name, M, N, CLASSES, num_layers=2, readout=readout, rngs=nnx.Rngs(0))
    model.head["bias"][...] = jnp.arange(10.0)
    states = inputs = jax.random.normal(key, (LENGTH, BATCH, M))
    for layer in (model.recurrent, model.recurrent_2):
        _, states = asrnn.unroll(
            model.cell, arrays(layer), COEFFICIENTS, states, backend="scan", return_states=True
        )
    states = np.asarray(states)
    read = {"last": states[-1], "mean": states.mean(0), "every_step": states}[readout]
    expected = read @ np.asarray(model.head["kernel"][...]) + np.arange(10)
    outputs = model(inputs, COEFFICIENTS, backend="scan")
    assert outputs.shape == ((LENGTH,) if readout == "every_step" else ()) + (BATCH, CLASSES)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_layers_have_parameters_of_their_own_each_for_its_inputs():
    model = SequenceNetwork("antisymmetric", M, N, CLASSES, num_layers=3, rngs=nnx.Rngs(0))
    shapes = jax.tree.map(jnp.shape, nnx.to_pure_dict(nnx.state(model)))
    deeper = SHAPES["antisymmetric"] | {"input_kernel": (N, N)}
    assert shapes["recurrent"] == SHAPES["antisymmetric"]
    assert shapes["recurrent_2"] == shapes["recurrent_3"] == deeper
    second, third = (arrays(layer) for layer in (model.recurrent_2, model.recurrent_3))
    assert np.all(second["recurrent_triangle"] != third["recurrent_triangle"])


@pytest.mark.parametrize(
    ("cell", "n", "m", "count"),
    [
        ("antisymmetric", 128, 1, 9_674),
        ("gated_antisymmetric", 128, 1, 9_930),
        ("antisymmetric", 256, 3, 36_234),
        ("gated_antisymmetric", 256, 3, 37_258),
        ("antisymmetric", 256, 96, 60_042),
        ("gated_antisymmetric", 256, 96, 84_874),
        ("ablation", 196, 3, 41_954),
        ("ablation", 196, 96, 78_410),
        ("lstm", 128, 1, 67_850),
        ("lstm", 128, 3, 68_874),
        ("lstm", 128, 96, 116_490),
    ],
)
def test_parameters_are_counted_as_in_the_tables_of_the_paper(cell, n, m, count):
    model = nnx.eval_shape(lambda: SequenceNetwork(cell, m, n, 10, rngs=nnx.Rngs(0)))
    assert num_parameters(nnx.state(model)) == count


@pytest.mark.parametrize(
    ("cell", "optimizer"),
    [("gated_antisymmetric", "adagrad"), ("antisymmetric", "sgd"), ("antisymmetric", "adam")],
)
def test_the_matrix_stays_antisymmetric_while_it_is_trained(key, cell, optimizer):
    model = SequenceNetwork(cell, M, 7, CLASSES, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(model)
    settings = base_config().optimizer.to_dict() | {"name": optimizer, "steps": 3}
    transformation = make_optimizer(settings, settings)
    inputs = jax.random.normal(key, (LENGTH, BATCH, M))

    @jax.jit
    def update(params, state):
        def loss(params):
            logits = nnx.merge(graphdef, params)(inputs, COEFFICIENTS, backend="scan")
            return -jax.nn.log_softmax(logits)[:, 0].mean()

        updates, state = transformation.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    first, state = arrays(model.recurrent), transformation.init(params)
    for _ in range(3):
        params, state = update(params, state)
    trained = arrays(nnx.merge(graphdef, params).recurrent)
    assert np.any(trained["recurrent_triangle"] != first["recurrent_triangle"])
    matrix = np.asarray(recurrent_matrix(trained, 0.0))
    np.testing.assert_array_equal(matrix + matrix.T, 0)
