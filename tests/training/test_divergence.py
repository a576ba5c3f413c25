"""A loss that is not finite ends the run at its step, and what was good is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from asrnn.errors import DivergedError
from asrnn.training import dispatch_size, loop
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import (
    assert_same_run,
    checkpoint,
    rows,
    steps_kept,
    summary,
    tiny_config,
)


def poison(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Makes the update after `step` updates see a loss that is not finite."""
    make = loop.make_train_steps

    def make_poisoned(*parts: Any) -> Any:
        train_steps = make(*parts)

        def poisoned(state: Any, *args: Any) -> Any:
            first, count = int(state.step), args[4]
            if first <= step < first + count:
                window, hyper, examples, indices, _, key = args
                before = step - first
                state, window = train_steps(state, window, hyper, examples, indices, before, key)
                params = jax.tree.map(lambda leaf: leaf * jnp.inf, state.params)
                state = state._replace(params=params)
                rest = jnp.roll(jnp.asarray(indices), -before, axis=0)
                return train_steps(state, window, hyper, examples, rest, count - before, key)
            return train_steps(state, *args)

        return poisoned

    monkeypatch.setattr(loop, "make_train_steps", make_poisoned)


@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["one_per_dispatch", "many_per_dispatch"])
@pytest.mark.parametrize(
    ("step", "kept"),
    [
        pytest.param(0, [], id="first"),
        pytest.param(2, [], id="before_any_checkpoint"),
        pytest.param(8, [7, 8], id="after_a_checkpoint"),
        pytest.param(9, [7, 8], id="at_a_row"),
        pytest.param(11, [7, 8], id="last"),
    ],
)
def test_the_first_step_that_is_not_finite_is_named(
    step: int,
    kept: list[int],
    seconds: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch_size, "SECONDS", seconds)
    with monkeypatch.context() as patch:
        poison(patch, step)
        with pytest.raises(DivergedError, match=f"not finite at step {step + 1};") as error:
            train_and_evaluate(tiny_config(), tmp_path)
    assert error.value.exit_code == 4
    assert "\n" not in str(error.value)
    said = f"checkpoint {kept[-1]} is kept" if kept else "no checkpoint was written"
    assert said in str(error.value)
    assert steps_kept(tmp_path) == kept
    outcome = summary(tmp_path)
    assert outcome["status"] == "diverged"
    assert outcome["steps"] == step + 1
    assert outcome["test_accuracy"] is None
    assert all(row["step"] <= step and row["loss"] is not None for row in rows(tmp_path))


def test_a_run_that_diverged_by_bad_luck_goes_on_from_the_checkpoint_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        poison(patch, 9)
        with pytest.raises(DivergedError):
            train_and_evaluate(tiny_config(), tmp_path / "lucky")
    assert checkpoint(tmp_path / "lucky").step == 8
    train_and_evaluate(tiny_config(), tmp_path / "lucky")
    train_and_evaluate(tiny_config(), tmp_path / "undisturbed")
    assert_same_run(tmp_path / "lucky", tmp_path / "undisturbed")


def test_a_learning_rate_that_is_too_large_is_what_the_message_says(tmp_path: Path) -> None:
    config = tiny_config(optimizer__name="sgd", optimizer__learning_rate=1e38)
    with pytest.raises(DivergedError, match=r"at step 2; lower config\.optimizer\.learning_rate"):
        train_and_evaluate(config, tmp_path)


def test_a_last_update_that_ruins_the_parameters_does_not_count_as_done(tmp_path: Path) -> None:
    """Its own loss was still finite; the evaluation shows it."""
    config = tiny_config(optimizer__name="sgd", optimizer__learning_rate=1e38, training__steps=1)
    with pytest.raises(DivergedError, match="not finite at step 1"):
        train_and_evaluate(config, tmp_path)
    assert summary(tmp_path)["status"] == "diverged"
