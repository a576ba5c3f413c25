"""Loggers get what metrics.jsonl gets; those that are not asked for are not imported."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import ConfigError
from asrnn.runs.loggers import LOGGERS
from asrnn.runs.metrics import read_rows
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import command, environment, tiny_config, write_config


def test_a_logger_that_is_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tensorboardX", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in LOGGERS:
        with pytest.raises(ConfigError, match=rf"training.{name} needs .*pip install") as error:
            train_and_evaluate(tiny_config(**{f"training__{name}": True}), tmp_path)
        assert "\n" not in str(error.value)


HEADER, BLOCK = 7, 2**15
"""Bytes of a .wandb file: it is a log of LevelDB, in blocks, behind a header."""


def records(content: bytes) -> Iterator[bytes]:
    """The records of a log; one that does not fit into a block has several parts."""
    at, parts = HEADER, b""
    while at < len(content):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, last
            yield parts
            parts = b""


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows in the file of an offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("offline-run-*/run-*.wandb")
    found = []
    for record in map(Record.FromString, records(path.read_bytes())):
        items = record.history.item
        if items:
            found.append({it.key or it.nested_key[0]: json.loads(it.value_json) for it in items})
    return found


@pytest.mark.slow
@pytest.mark.ci
def test_an_offline_run_of_wandb_has_the_rows(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    # An optimizer of optax is checked before a command may start jax.
    config = write_config(tmp_path, training__wandb=True, optimizer__name="optax")
    done = subprocess.run(
        command("train", f"--config={config}", "--workdir=run"),
        cwd=tmp_path,
        env=environment(WANDB_MODE="offline"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = history(tmp_path / "run" / "wandb")
    expected = [
        {"step": row["step"]}
        | {f"{row['split']}/{k}": v for k, v in row.items() if k not in ("step", "split")}
        for row in read_rows(tmp_path / "run" / "metrics.jsonl")
    ]
    assert [{k: v for k, v in row.items() if k[0] != "_"} for row in found] == expected
