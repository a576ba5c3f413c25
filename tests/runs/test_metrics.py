"""metrics.jsonl: JSON in every line, nothing lost, nothing twice; and the TensorBoard events."""

from __future__ import annotations

import json
import math
import random
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrnn.errors import CheckpointError, ConfigError
from asrnn.runs.metrics import Records, read_rows
from asrnn.training.loop import train_and_evaluate
from tests.training.runs import stop, tiny_config


def row(step: int, split: str = "train", **values: Any) -> dict[str, Any]:
    return {"step": step, "split": split, "loss": 1.5, "accuracy": 0.25} | values


def test_a_row_is_readable_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Records(path, 0, 0) as records:
        assert read_rows(path) == []
        for step in (1, 2):
            records.write(row(step))
            assert [found["step"] for found in read_rows(path)] == list(range(1, step + 1))
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one.items() >= row(step).items() for step, one in enumerate(found, 1)] == [True, True]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_not_finite_becomes_null(value: float, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Records(path, 0, 0) as records:
        records.write(row(1, loss=value))
    assert path.read_text().count("null") == 1
    assert read_rows(path) == [row(1, loss=None)]


@pytest.mark.parametrize(
    "tail",
    [
        b'{"step": 3, "spl',
        b"{",
        b"\x00\x00\x00",
        b"\xff\xfe",
    ],
)
def test_what_is_no_row_ends_the_file(tail: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Records(path, 0, 0) as records:
        records.write(row(1))
        records.write(row(2))
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert read_rows(path) == [row(1), row(2)]
    with Records(path, 2, 0) as records:
        records.write(row(3))
    assert read_rows(path) == [row(1), row(2), row(3)]


def test_resuming_cuts_off_what_will_come_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Records(path, 0, 0) as records:
        for split, step in (
            ("train", 5),
            ("validation", 7),
            ("train", 10),
            ("validation", 10),
            ("train", 15),
            ("test", 7),
        ):
            records.write(row(step, split))
    with Records(path, 10, 7):
        pass
    kept = [(found["split"], found["step"]) for found in read_rows(path)]
    assert kept == [("train", 5), ("validation", 7), ("train", 10)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("last", ["3", "{}", '["step", "split"]'])
def test_a_whole_last_line_that_is_no_row_was_left_by_no_kill(last: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(row(1)) + "\n" + last + "\n")
    with pytest.raises(CheckpointError, match="line 2 of 2 is not a row"):
        read_rows(path)


def test_no_flipped_bit_changes_a_row(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Records(path, 0, 0) as records:
        for step in range(1, 5):
            records.write(row(step))
    whole, rows = path.read_bytes(), read_rows(path)
    for position in random.Random(0).sample(range(8 * len(whole)), 300):
        content = bytearray(whole)
        content[position // 8] ^= 1 << position % 8
        path.write_bytes(content)
        try:
            found = read_rows(path)
        except CheckpointError:
            continue
        assert found in (rows, rows[:-1])  # without its end, a last line looks torn


@pytest.mark.parametrize("line", ["garbage", "", "[]", '{"step": 3}', "\x00\x00"])
def test_damage_before_the_last_line_is_refused_and_nothing_is_cut(
    line: str, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = [json.dumps(row(step)) for step in (1, 2, 3)]
    path.write_text("\n".join([whole[0], line, *whole[1:]]) + "\n")
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"jsonl cannot .*line 2 of 4 is not a row.*; repair"):
        Records(path, 3, 0)
    assert path.read_bytes() == before


def test_it_is_known_how_far_the_rows_that_are_kept_reach(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Records(path, 0, 0) as records:
        assert records.reaches == 0
        for split, step in (("train", 5), ("validation", 7), ("train", 10)):
            records.write(row(step, split))
    with Records(path, 9, 7) as records:
        assert records.reaches == 5


def test_a_file_that_cannot_be_read_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl cannot be read") as error:
        Records(tmp_path / "metrics.jsonl", 0, 0)
    assert "\n" not in str(error.value)


def test_without_a_file_there_are_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.jsonl") == []


def test_the_rows_of_a_run_hold_what_the_contract_names(tmp_path: Path) -> None:
    train_and_evaluate(tiny_config(), tmp_path)
    found = read_rows(tmp_path / "metrics.jsonl")
    everywhere = {"step", "split", "loss", "accuracy"}
    training = everywhere | {"learning_rate", "grad_norm", "examples_per_second"}
    for one in found:
        assert set(one) == (training if one["split"] == "train" else everywhere)
        assert 0 <= one["accuracy"] <= 1
        assert one["loss"] > 0
        assert one.get("learning_rate", 0.01) == pytest.approx(0.01)
        assert one.get("grad_norm", 1) > 0
        assert one.get("examples_per_second", 1) > 0
    steps = [one["step"] for one in found if one["split"] != "test"]
    assert steps == sorted(steps)


# ---- TensorBoard


def events(folder: Path) -> list[tuple[str, int, float]]:
    """Tag, step and value of every scalar, read from the files as TensorBoard does."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            content = content[16 + length :]
    return found


def test_tensorboard_gets_what_metrics_jsonl_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = pytest.importorskip("tensorboardX.event_file_writer")
    # A requeued run may start within the second by which tensorboardX names its files.
    monkeypatch.setattr(writer.time, "time", lambda: 1.5e9)
    config = tiny_config(training__tensorboard=True)
    stop(monkeypatch, tmp_path, config, step=8)
    train_and_evaluate(config, tmp_path)
    expected = {
        (f"{one['split']}/{name}", one["step"]): value
        for one in read_rows(tmp_path / "metrics.jsonl")
        for name, value in one.items()
        if name not in ("step", "split")
    }
    found = {(tag, step): value for tag, step, value in events(tmp_path / "tensorboard")}
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-6)
    assert len(events(tmp_path / "tensorboard")) == len(expected)  # none of them twice


def test_without_tensorboardx_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"tensorboardX.*pip install") as error:
        train_and_evaluate(tiny_config(training__tensorboard=True), tmp_path)
    assert "\n" not in str(error.value)
    # It was not for the training: without the events the same folder is as good as new.
    assert train_and_evaluate(tiny_config(), tmp_path)["status"] == "done"


def test_without_the_wish_for_events_tensorboardx_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert train_and_evaluate(tiny_config(), tmp_path)["status"] == "done"
    assert not (tmp_path / "tensorboard").exists()
