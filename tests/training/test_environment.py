"""A run is a function of its config: what a shell sets for other programs of jax has no say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jax
import pytest

from asrnn.errors import ConfigError
from asrnn.training import devices
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import (
    PATIENCE,
    assert_same_run,
    command,
    environment,
    one_line,
    tiny_config,
    write_config,
)

SWITCHES = {
    "JAX_ENABLE_X64": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_HIGH_DYNAMIC_RANGE_GUMBEL": "1",
    "JAX_LEGACY_PRNG_KEY": "error",
}


def call(
    cwd: Path, module: str, *args: str | Path, **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module, *args),
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.ci
def test_the_switches_of_jax_change_no_bit_of_a_run_and_are_not_mentioned(tmp_path: Path) -> None:
    plain, switched = tmp_path / "plain", tmp_path / "switched"
    train_and_evaluate(tiny_config(), plain)
    config = f"--config={write_config(tmp_path)}"
    done = call(tmp_path, "train", config, f"--workdir={switched}", **SWITCHES)
    assert done.returncode == 0, done.stderr
    assert "float" not in done.stderr
    assert_same_run(plain, switched)
    scores = [
        call(tmp_path, "evaluate", f"--workdir={switched}", **changes) for changes in ({}, SWITCHES)
    ]
    assert [one.returncode for one in scores] == [0, 0], scores
    assert scores[0].stdout == scores[1].stdout


def test_everything_that_is_pinned_is_a_default_of_jax() -> None:
    """So a run of a program that embeds asrnn, and sets nothing, has the same numbers."""
    for name, value in devices.PINNED.items():
        assert getattr(jax.config, name) == value, name


def test_a_command_pins_whatever_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "split_cpu_into_cores", lambda: None)  # jax has started
    jax.config.update("jax_default_prng_impl", "rbg")
    jax.config.update("jax_threefry_partitionable", False)
    try:
        devices.configure_jax()
        assert jax.config.jax_default_prng_impl == "threefry2x32"  # type: ignore[attr-defined]
        assert jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    finally:
        devices.pin_numbers()


@pytest.mark.parametrize(
    ("module", "platform"), [("train", "cuda"), ("evaluate", "no-such-platform")]
)
def test_a_platform_that_is_not_there_is_one_line(
    module: str, platform: str, tmp_path: Path
) -> None:
    if platform == "cuda" and jax.default_backend() == "gpu":
        pytest.skip("it is there")
    argument = f"--config={write_config(tmp_path)}" if module == "train" else "--workdir=run"
    done = call(tmp_path, module, argument, JAX_PLATFORMS=platform)
    assert done.returncode == ConfigError.exit_code
    line = one_line(done.stderr)
    assert f"jax finds no device for JAX_PLATFORMS={platform}" in line
    assert "for example JAX_PLATFORMS=cpu" in line
    assert not (tmp_path / "runs").exists()
