"""Which fields a run reads: those of the frame and of the components that it chooses."""

import subprocess
import sys

import pytest

from asrnn.config import (
    CHOICES,
    FRAME,
    base_config,
    check_config,
    field_table,
    fields_of,
    normalized,
    section_values,
)
from asrnn.dynamics import CELLS, Ode
from asrnn.optimizers import OPTIMIZERS, Optimizer
from asrnn.options import POSITIVE, Option, Use
from tests.config.cases import DEFAULTS, OPTIONS, config_with, refusal


def test_a_field_that_no_chosen_component_reads_is_refused_with_those_that_do():
    config = base_config()
    config.optimizer.name = "rmsprop"
    config.optimizer.beta1 = 0.5
    assert refusal(config) == (
        "config.optimizer.beta1=0.5 is not read by optimizer.name=rmsprop; read by adam, adamw;"
        " leave it at its default 0.9"
    )
    config.optimizer.beta1 = 0.9
    check_config(config)


@pytest.mark.parametrize(
    ("field", "value"), [("model.step_size", 0.5), ("model.discretization", "rk4")]
)
def test_what_only_an_ode_reads_is_refused_with_another_cell(field, value):
    config = config_with(field, value)
    check_config(config)
    config.model.cell = "lstm"
    assert f"config.{field}={value!r} is not read by " in refusal(config)
    name = field.removeprefix("model.")
    readers = ", ".join(
        cell
        for cell, it in CELLS.items()
        if isinstance(it, Ode) or name in {option.name for option in it.options}
    )
    assert f"read by {readers}; leave it" in refusal(config)


def test_two_meanings_of_one_name_are_a_defect(monkeypatch):
    mine = Optimizer(None, (Option("beta1", 0.5, "another β₁"),))
    monkeypatch.setitem(OPTIMIZERS, "mine", mine)
    with pytest.raises(AssertionError, match="beta1"):
        base_config()


def test_no_component_gives_an_option_the_name_of_a_field_of_every_run():
    for choice, table in CHOICES.items():
        frame = {option.name for option in FRAME[choice.rpartition(".")[0]]}
        for component in table.values():
            assert not frame & {option.name for option in component.options}


def test_the_values_of_a_section_are_those_that_are_read():
    config = base_config()
    config.optimizer.name, config.optimizer.momentum = "sgd", 0.5
    values = {"learning_rate": 0.1, "clip_norm": 0.0, "ema_decay": 0.0}
    values |= {"momentum": 0.5, "weight_decay": 0.0}
    assert section_values(config, "optimizer", Use.RUN_TIME) == values
    static = {"name": "sgd", "schedule": "constant", "warmup_steps": 0, "nesterov": False}
    assert section_values(config, "optimizer", Use.STATIC) == static
    config.model.cell = "gru"
    assert section_values(config, "model", Use.RUN_TIME) == {"readout_dropout": 0.0}


def test_every_field_is_of_one_use():
    assert sorted(field for use in Use for field in fields_of(use)) == sorted(DEFAULTS)
    assert "optimizer.learning_rate" in fields_of(Use.RUN_TIME)
    assert "model.init_scale" in fields_of(Use.INITIAL)


def test_a_new_component_brings_its_fields_by_one_line_in_its_table(monkeypatch):
    field = "optimizer.patience"
    assert field not in OPTIONS
    option = Option("patience", 0.5, "how patient", POSITIVE, Use.RUN_TIME)
    monkeypatch.setitem(OPTIMIZERS, "patient", Optimizer(None, (option,)))
    assert base_config().optimizer.patience == 0.5
    config = config_with(field, 0.25)
    assert "read by patient" in refusal(config)
    config.optimizer.name = "patient"
    check_config(config)
    assert section_values(config, "optimizer", Use.RUN_TIME)["patience"] == 0.25
    assert "how patient [patient]" in field_table()


def test_every_field_is_in_the_table_with_its_default_and_its_readers():
    lines = field_table().splitlines()
    assert max(map(len, lines)) < 80
    found: dict[str, str] = {}
    for line in lines:
        field, equals, default = line.strip().partition(" = ")
        if equals and not line.startswith("   "):
            found[field], last = default, field
        else:
            found[last] += f" {line.strip()}"
    assert list(found) == list(OPTIONS)
    assert found["training.steps"] == "50000 updates"
    assert found["training.init_from"].startswith("'' workdir, or name of a network that ships")
    assert found["optimizer.momentum"].startswith("0.9 ")
    assert found["optimizer.momentum"].endswith(" [sgd]")


def test_normalizing_resets_what_nobody_reads_in_a_copy():
    config = config_with("optimizer.momentum", 0.5)  # which adagrad does not read
    config.optimizer.learning_rate = 0.7
    again = normalized(config)
    assert (again.optimizer.momentum, again.optimizer.learning_rate) == (0.9, 0.7)
    assert config.optimizer.momentum == 0.5
    assert normalized(again) == again


def test_a_config_is_read_and_checked_without_the_libraries_of_training():
    heavy = ("jax", "flax", "optax", "orbax", "tensorflow_datasets", "matplotlib", "sklearn", "PIL")
    code = (
        "import sys, asrnn.config as it; it.check_config(it.base_config());"
        f" print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
