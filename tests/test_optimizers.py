"""Every optimizer against its formula, worked out by hand in NumPy over several steps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from asrnn.config import all_options, base_config
from asrnn.errors import ConfigError
from asrnn.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    check_optimizer,
    learning_rate,
    make_optimizer,
)
from asrnn.options import Use

STEPS = 6
RATE = 0.3


def settings_of(**changes):
    """The optimizer section of a config and the number of steps."""
    return base_config().optimizer.to_dict() | {"steps": 100, "learning_rate": RATE} | changes


def values_of(settings):
    """What is known at run time only."""
    options = all_options()
    return {
        name: value
        for name, value in settings.items()
        if f"optimizer.{name}" in options and options[f"optimizer.{name}"].use is Use.RUN_TIME
    }


def gradient_sequence():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(4) * scale for scale in (1, 3, 0.1, 1, 10, 1e-3)]


def run(settings, gradients=None):
    """The parameters after every update, through the package."""
    gradients = gradient_sequence() if gradients is None else gradients
    optimizer = make_optimizer(values_of(settings), settings)
    params = {"theta": jnp.ones(4)}
    state, path = optimizer.init(params), []
    for gradient in gradients:
        updates, state = optimizer.update({"theta": jnp.asarray(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
        path.append(np.asarray(params["theta"]))
    return path


def with_decay(rule):
    """A rule with θ ← θ - η λ θ added to each of its updates."""

    def decayed(g, memory, t, *, weight_decay=0.0, **constants):
        theta = memory.get("theta", 1.0)
        rest, decrease = rule(g, memory, t, **constants)
        decrease = decrease + RATE * weight_decay * theta
        return rest | {"theta": theta - decrease}, decrease

    return decayed


@with_decay
def sgd(g, memory, t, *, momentum, nesterov=False):
    m = memory.get("m", 0) * momentum + g
    return {"m": m}, RATE * (g + momentum * m if nesterov else m)


@with_decay
def adagrad(g, memory, t, *, initial_accumulator, epsilon):
    s = memory.get("s", initial_accumulator) + g**2
    return {"s": s}, RATE * g / np.sqrt(s + epsilon)


def adam(g, memory, t, *, beta1, beta2, epsilon):
    m = beta1 * memory.get("m", 0) + (1 - beta1) * g
    v = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
    corrected_m, corrected_v = m / (1 - beta1**t), v / (1 - beta2**t)
    return {"m": m, "v": v}, RATE * corrected_m / (np.sqrt(corrected_v) + epsilon)


adamw = with_decay(adam)


@with_decay
def rmsprop(g, memory, t, *, beta2, epsilon):
    v = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
    return {"v": v}, RATE * g / np.sqrt(v + epsilon)


def lion(g, memory, t, *, function, arguments):
    del function, arguments  # lion, 'b1=0.6, b2=0.7, weight_decay=0.2'
    m, theta = memory.get("m", 0), memory.get("theta", 1.0)
    decrease = RATE * (np.sign(0.6 * m + 0.4 * g) + 0.2 * theta)
    return {"m": 0.7 * m + 0.3 * g, "theta": theta - decrease}, decrease


FORMULAS = {
    **{"sgd": sgd, "adagrad": adagrad, "adam": adam, "adamw": adamw, "rmsprop": rmsprop},
    "optax": lion,
}


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("sgd", {"momentum": 0.0}),
        ("sgd", {"momentum": 0.7}),
        ("sgd", {"momentum": 0.7, "nesterov": True}),
        # Constants far from anybody's defaults, so that one left unused shows.
        ("adagrad", {"initial_accumulator": 0.1, "epsilon": 1e-7}),
        ("adagrad", {"initial_accumulator": 0.7, "epsilon": 0.5}),
        ("adam", {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
        ("adam", {"beta1": 0.6, "beta2": 0.7, "epsilon": 0.5}),
        ("adamw", {"beta1": 0.6, "beta2": 0.7, "epsilon": 0.5, "weight_decay": 0.0}),
        ("adamw", {"beta1": 0.6, "beta2": 0.7, "epsilon": 0.5, "weight_decay": 0.2}),
        ("rmsprop", {"beta2": 0.9, "epsilon": 1e-7}),
        ("rmsprop", {"beta2": 0.6, "epsilon": 0.5}),
        ("sgd", {"momentum": 0.7, "weight_decay": 0.2}),
        ("adagrad", {"initial_accumulator": 0.7, "epsilon": 0.5, "weight_decay": 0.2}),
        ("rmsprop", {"beta2": 0.6, "epsilon": 0.5, "weight_decay": 0.2}),
        ("optax", {"function": "lion", "arguments": "b1=0.6, b2=0.7, weight_decay=0.2"}),
    ],
)
def test_an_optimizer_is_its_formula(x64, name, constants):
    theta, memory, expected = np.ones(4), {}, []
    for t, gradient in enumerate(gradient_sequence(), start=1):
        memory, decrease = FORMULAS[name](gradient, memory, t, **constants)
        theta = theta - decrease
        expected.append(theta)
    np.testing.assert_allclose(run(settings_of(name=name, **constants)), expected, rtol=1e-9)


def test_every_optimizer_and_every_schedule_is_tested_here():
    assert FORMULAS.keys() == OPTIMIZERS.keys()
    assert set(SCHEDULES) == {"constant", "step", "cosine"}


@pytest.mark.parametrize("part", [*OPTIMIZERS.values(), *SCHEDULES.values()])
def test_every_float_is_known_at_run_time_only(part):
    for option in part.options:
        assert (option.use is Use.RUN_TIME) == (type(option.default) is float)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_optimizer_reads_the_options_that_it_declares_and_no_others(name):
    rate = {"learning_rate": RATE}
    section = settings_of(name=name)
    declared = {option.name: section[option.name] for option in OPTIMIZERS[name].options}
    OPTIMIZERS[name].make(rate | declared, declared)
    for missing in declared:
        rest = {key: value for key, value in declared.items() if key != missing}
        with pytest.raises(KeyError, match=missing):
            OPTIMIZERS[name].make(rate | rest, rest)


def test_adagrad_without_accumulator_does_not_divide_by_zero():
    settings = settings_of(name="adagrad", initial_accumulator=0.0)
    np.testing.assert_array_equal(run(settings, [np.zeros(4)]), np.ones((1, 4)))


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_the_constants_are_traced(name):
    traces = []
    settings = settings_of(name=name, clip_norm=1.0)

    @jax.jit
    def update(values, gradient):
        traces.append(name)
        optimizer = make_optimizer(values, settings)
        updates, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
        return updates

    gradient = jnp.array([3.0, -4.0])
    first = update(values_of(settings), gradient)
    second = update({k: 0.5 * v for k, v in values_of(settings).items()}, gradient)
    assert len(traces) == 1
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("gradient", "clip_norm", "expected"),
    [
        ((3.0, 4.0), 1.0, (0.6, 0.8)),
        ((3.0, 4.0), 10.0, (3.0, 4.0)),
        ((3.0, 4.0), 0.0, (3.0, 4.0)),  # off
        ((0.0, 0.0), 1.0, (0.0, 0.0)),
    ],
)
def test_gradients_are_clipped_by_their_global_norm(gradient, clip_norm, expected):
    settings = settings_of(name="sgd", momentum=0.0, clip_norm=clip_norm)
    optimizer = make_optimizer(values_of(settings), settings)
    # Two leaves: the norm is that of all gradients together.
    leaves = {"a": jnp.array([gradient[0]]), "b": jnp.array([gradient[1]])}
    updates, _ = optimizer.update(leaves, optimizer.init(leaves), leaves)
    np.testing.assert_allclose([*updates["a"], *updates["b"]], -RATE * np.array(expected), 1e-6)


def test_clipping_comes_before_the_optimizer():
    settings = settings_of(name="sgd", momentum=0.5, clip_norm=1.0)
    (first, second) = run(settings, [np.full(4, 50.0), np.full(4, 50.0)])
    # Each clipped entry is 1/2; the momentum of the second update is 1/2 + 1/4.
    np.testing.assert_allclose(1 - first, RATE * 0.5, rtol=1e-6)
    np.testing.assert_allclose(first - second, RATE * 0.75, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "step", "factor"),
    [
        ({"schedule": "constant"}, 0, 1),
        ({"schedule": "constant"}, 99, 1),
        ({"schedule": "step", "decay_every": 10, "decay_factor": 0.5}, 0, 1),
        ({"schedule": "step", "decay_every": 10, "decay_factor": 0.5}, 9, 1),
        ({"schedule": "step", "decay_every": 10, "decay_factor": 0.5}, 10, 0.5),
        ({"schedule": "step", "decay_every": 10, "decay_factor": 0.5}, 35, 0.125),
        ({"schedule": "cosine"}, 0, 1),
        ({"schedule": "cosine"}, 25, (1 + np.sqrt(0.5)) / 2),
        ({"schedule": "cosine"}, 50, 0.5),
        ({"schedule": "cosine"}, 100, 0),
        ({"schedule": "cosine"}, 150, 0),
        # A warm-up of w updates, after which the schedule has the other 100 - w.
        ({"warmup_steps": 4}, 0, 0.25),
        ({"warmup_steps": 4}, 3, 1),
        ({"warmup_steps": 4}, 99, 1),
        ({"schedule": "step", "decay_every": 10, "warmup_steps": 4}, 1, 0.5),
        ({"schedule": "step", "decay_every": 10, "warmup_steps": 4}, 14, 0.1),
        ({"schedule": "cosine", "warmup_steps": 20}, 9, 0.5),
        ({"schedule": "cosine", "warmup_steps": 20}, 20, 1),
        ({"schedule": "cosine", "warmup_steps": 20}, 60, 0.5),
    ],
)
def test_a_schedule_gives_the_rate_of_the_update_after_a_step(changes, step, factor):
    settings = settings_of(**changes)
    rate = jax.jit(lambda values, step: learning_rate(values, step, settings))(
        values_of(settings), jnp.int32(step)
    )
    np.testing.assert_allclose(rate, RATE * factor, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"name": "adagrd"},
            r"adamw, rmsprop, optax; found 'adagrd'; .*'adagrad'\?",
        ),
        ({"schedule": "cosin"}, r"constant, step, cosine; found 'cosin'; .* 'cosine'\?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_names_and_the_nearest(changes, text):
    settings = settings_of(**changes)
    with pytest.raises(ConfigError, match=text):
        make_optimizer(values_of(settings), settings)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"function": "lionn"}, "lbfgs, lion, .* found 'lionn'; did you mean 'lion'"),
        ({"function": "scale"}, "must be one of .* found 'scale'"),  # makes no optimizer by itself
        ({"arguments": "b3=0.5"}, "lion of optax takes no 'b3'; it takes b1, b2, mu_dtype"),
        ({"arguments": "learning_rate=1.0"}, "takes no 'learning_rate'"),
        ({"arguments": "b1='x'"}, r"function=lion cannot be used with b1='x' \("),
        ({"function": "lbfgs"}, "function=lbfgs cannot be used .* 'value_fn'.*and nothing else"),
        ({"name": "sgd", "schedule": "cosine", "warmup_steps": 100}, "leaves the cosine none"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(changes, text):
    with pytest.raises(ConfigError, match=text) as refused:
        check_optimizer(settings_of(**{"name": "optax"} | changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "b1={[]: 1}",
        "b1=0.9, b1=0.8",
        "b1",
        "b1=",
        "b1=f()",
        "b1=0.5) or (",
        "**{}",
        "0.5",
        "b1=0.5\n",
    ],
)
def test_arguments_are_plain_keyword_arguments(text):
    (check,) = (it.check for it in OPTIMIZERS["optax"].options if it.name == "arguments")
    assert check.holds("") and check.holds("b1=0.5, mask=None") and check.holds("b=(1, 2)")
    assert check.holds(text) == text.endswith("\n")
