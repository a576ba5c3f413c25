"""The reproduce command: runs what is missing, writes the table, loses nothing."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asrnn.config import to_json
from asrnn.errors import Interrupted
from asrnn.paper import table_definition
from asrnn.paper.table_definition import Table, read_table
from asrnn.sweeps import engines
from asrnn.sweeps.trials import Job, Watch, outcome
from asrnn.training import devices
from asrnn.training.loop import train_and_evaluate
from tests.command.calls import call, flag_values
from tests.tasks.images.fakes import write_cifar10, write_mnist
from tests.training.runs import tiny_config

__all__ = ["call", "flag_values"]

FIELDS = {
    *("table", "task", "cell", "method", "paper", "mean", "std", "seeds", "num_parameters"),
    *("steps", "seconds", "hardware", "command", "cited", "units", "source"),
    "validation_accuracy",
}
TINY = {
    "model.hidden_size": 4,
    "task.validation_size": 5,
    "recurrence.backend": "scan",
    "training.batch_size": 4,
    "training.steps": 2,
    "training.eval_every": 1,
    "training.checkpoint_every": 2,
}


class Engine:
    """An engine within this process; notes which runs it made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.workers: list[int] = []
        self.stop_before: int | None = None  # the run in whose place a signal comes

    def __call__(self, jobs: Sequence[Job], *, workers: int, watch: Watch) -> None:
        self.workers.append(workers)
        for job in jobs:
            if outcome(job).finished:
                continue
            if len(self.made) == self.stop_before:
                raise Interrupted("stopped, all trials saved")
            watch.started(job)
            self.made.append(job.workdir.name)
            self.make(job)
            watch.ended(job)

    def make(self, job: Job) -> None:
        train_and_evaluate(job.config, job.workdir)


class Pretender(Engine):
    """Writes what a run leaves behind, with an accuracy of 90 % and its seed."""

    def make(self, job: Job) -> None:
        job.workdir.mkdir(parents=True)
        (job.workdir / "config.json").write_text(to_json(job.config))
        summary = {
            **{"status": "done", "steps": job.config.training.steps, "best_step": 1},
            **{"test_accuracy": 0.9 + job.config.seed / 100, "validation_accuracy": 0.9},
            **{"seconds": 60.0, "device": "cpu (2 cores)", "backend": "scan"},
        }
        (job.workdir / "summary.json").write_text(json.dumps(summary))


def read_table_with_three_seeds(name: str) -> Table:
    """The real table, whatever seeds it has at present."""
    table = read_table(name)
    rows = (row._replace(seeds=(0, 1, 2) if row.config else ()) for row in table.rows)
    return table._replace(rows=tuple(rows))


@pytest.fixture
def reproduce(call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Calls the command in this process, its engine being `reproduce.engine`."""
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(table_definition, "QUICK", TINY)
    monkeypatch.setattr(table_definition, "read_table", read_table_with_three_seeds)
    monkeypatch.setattr(devices, "leave_accelerators_alone", lambda: None)  # jax runs already

    def reproduce(*arguments: str) -> Any:
        monkeypatch.setattr(engines, "run_locally", reproduce.engine)  # type: ignore[attr-defined]
        return call(*arguments, name="asrnn.reproduce")

    reproduce.engine = Pretender()  # type: ignore[attr-defined]
    return reproduce


def rows(path: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(path.read_text())}


RESULTS = Path("runs/results")
TABLE = read_table("table1")
RUNS = [(row.name, seed) for row in TABLE.rows if row.config for seed in (0, 1, 2)]


@pytest.mark.parametrize(
    ("table", "write", "row"),
    [
        ("table1", write_mnist, "pmnist-gated"),
        pytest.param(*("table2", write_cifar10, "noisy-cifar10-ablation"), marks=pytest.mark.slow),
    ],
)
def test_a_quick_check_trains_and_can_not_be_taken_for_a_result(
    table: str, write: Any, row: str, reproduce: Any, tmp_path: Path
) -> None:
    write(tmp_path / "data")
    reproduce.engine = Engine()
    arguments = (table, "--quick", f"--rows={row}", "--source=files", "--data_dir=data")
    result = reproduce(*arguments)
    assert result.code == 0, result.err
    assert reproduce.engine.made == [f"{row}-seed0"]
    assert (tmp_path / f"runs/reproduce/quick/{row}-seed0/summary.json").exists()
    names = sorted(path.name for path in (tmp_path / RESULTS).iterdir())
    assert names == [f"{table}-quick.csv", f"{table}-quick.json", f"{table}-quick.md"]
    text = (tmp_path / RESULTS / f"{table}-quick.md").read_text()
    assert "scaled down: no results" in text.splitlines()[0]
    assert text in result.out

    found = rows(tmp_path / RESULTS / f"{table}-quick.json")
    summary = json.loads((tmp_path / f"runs/reproduce/quick/{row}-seed0/summary.json").read_text())
    assert all(entry.keys() >= FIELDS and entry["quick"] for entry in found.values())
    assert [name for name, entry in found.items() if entry["mean"] is not None] == [row]
    assert found[row]["mean"] == pytest.approx(100 * summary["test_accuracy"], abs=1e-3)
    assert found[row]["num_parameters"] == summary["num_parameters"]
    assert found[row]["seconds"] == summary["seconds"]

    assert reproduce(*arguments).code == 0
    assert reproduce.engine.made == [f"{row}-seed0"]


def test_a_table_is_run_once_and_written_three_ways(reproduce: Any, tmp_path: Path) -> None:
    result = reproduce("table1", "--workers=2")
    assert result.code == 0, result.err
    assert reproduce.engine.workers == [2]
    assert len(reproduce.engine.made) == len(set(reproduce.engine.made)) == len(RUNS)
    found = rows(tmp_path / RESULTS / "table1.json")
    assert len(found) == len(TABLE.rows)
    for row in found.values():
        if row["cited"]:
            assert (row["mean"], row["std"], row["seeds"]) == (None, None, [])
        else:
            assert (row["mean"], row["std"], row["seeds"]) == (91.0, 1.0, [0, 1, 2])
    lines = list(csv.DictReader((tmp_path / RESULTS / "table1.csv").read_text().splitlines()))
    assert [line["name"] for line in lines] == list(found)
    assert result.out == (
        (tmp_path / RESULTS / "table1.md").read_text()
        + "\n"
        + "".join(f"written: {RESULTS}/table1{end}\n" for end in (".md", ".csv", ".json"))
    )

    reproduce("table1")
    assert len(reproduce.engine.made) == len(RUNS)


def test_stages_are_run_one_after_the_other(
    reproduce: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated, lstm = "configs/mnist.py:paper", "configs/mnist.py:lstm"
    chosen = {"mnist-gated": (gated, gated), "mnist-lstm": (lstm,)}

    def with_stages(name: str) -> Table:
        table = read_table_with_three_seeds(name)
        rows = (row._replace(stages=chosen.get(row.name, ())) for row in table.rows)
        return table._replace(rows=tuple(rows))

    monkeypatch.setattr(table_definition, "read_table", with_stages)
    result = reproduce("table1", "--rows=mnist-gated,mnist-lstm,mnist-antisymmetric")
    assert result.code == 0, result.err
    made = [name for name in reproduce.engine.made if "seed1" in name]
    assert made == [
        *("mnist-gated-seed1-stage1", "mnist-lstm-seed1-stage1", "mnist-antisymmetric-seed1"),
        *("mnist-gated-seed1-stage2", "mnist-lstm-seed1"),
        "mnist-gated-seed1",
    ]


def test_a_stage_that_diverged_ends_its_seed_and_one_that_is_over_is_not_run_again(
    reproduce: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_stage(name: str) -> Table:
        table = read_table_with_three_seeds(name)
        rows = [row for row in table.rows if row.name == "mnist-lstm"]
        return table._replace(rows=(rows[0]._replace(stages=("configs/mnist.py:lstm",)),))

    class Diverging(Pretender):
        def make(self, job: Job) -> None:
            super().make(job)
            path = job.workdir / "summary.json"
            if job.workdir.name == "mnist-lstm-seed1-stage1":
                lost = {"status": "diverged", "test_accuracy": None, "validation_accuracy": None}
                path.write_text(json.dumps(json.loads(path.read_text()) | lost))

    monkeypatch.setattr(table_definition, "read_table", with_a_stage)
    reproduce.engine = Diverging()
    assert reproduce("table1").code == 0
    made = [f"mnist-lstm-seed{seed}{end}" for end in ("-stage1", "") for seed in (0, 1, 2)]
    assert reproduce.engine.made == [name for name in made if name != "mnist-lstm-seed1"]
    (row,) = rows(tmp_path / RESULTS / "table1.json").values()
    assert (row["seeds"], row["diverged"], row["seconds"]) == ([0, 2], [1], 120.0)

    shutil.rmtree(tmp_path / "runs/reproduce/mnist-lstm-seed0-stage1")
    assert reproduce("table1").code == 0
    assert len(reproduce.engine.made) == 5
    (row,) = rows(tmp_path / RESULTS / "table1.json").values()
    assert row["seeds"] == [0, 2]
    assert row["seconds"] == 120.0  # of those that are known


def test_norun_only_reads_what_is_there(reproduce: Any, tmp_path: Path) -> None:
    reproduce("table1", "--rows=mnist-gated")
    (tmp_path / RESULTS / "table1.json").unlink()
    reproduce("table1", "--norun")
    assert len(reproduce.engine.made) == 3
    found = rows(tmp_path / RESULTS / "table1.json")
    assert [row["mean"] for row in found.values()].count(None) == len(TABLE.rows) - 1
    assert found["mnist-gated"]["mean"] == 91.0


def test_the_other_rows_and_a_clone_without_runs_keep_their_results(
    reproduce: Any, tmp_path: Path
) -> None:
    reproduce("table1", "--rows=mnist-gated")
    before = rows(tmp_path / RESULTS / "table1.json")["mnist-gated"]
    reproduce("table1", "--rows=mnist-lstm", "--runs=elsewhere")
    found = rows(tmp_path / RESULTS / "table1.json")
    assert found["mnist-gated"] == before
    assert found["mnist-lstm"]["mean"] == 91.0


def test_what_was_run_before_a_signal_is_in_the_table(reproduce: Any, tmp_path: Path) -> None:
    reproduce.engine.stop_before = 4
    result = reproduce("table1")
    assert result.code == 75
    assert result.err.splitlines()[-1] == "asrnn.reproduce: stopped, all trials saved"
    found = rows(tmp_path / RESULTS / "table1.json")
    assert found["mnist-lstm"]["seeds"] == [0, 1, 2]
    assert found["mnist-antisymmetric"]["seeds"] == [0]
    assert found["mnist-gated"]["seeds"] == []

    reproduce.engine.stop_before = None
    assert reproduce("table1").code == 0
    assert len(reproduce.engine.made) == len(RUNS)


def test_a_workdir_of_another_definition_stops_everything_before_it_begins(
    reproduce: Any, tmp_path: Path
) -> None:
    reproduce("table1", "--rows=mnist-gated")
    config = tmp_path / "runs/reproduce/mnist-gated-seed1/config.json"
    config.write_text(config.read_text().replace('"batch_size": 128', '"batch_size": 64'))
    for file in (tmp_path / RESULTS).glob("table1.*"):
        file.unlink()
    line = reproduce("table1").refusal()
    assert "mnist-gated-seed1 holds a run of another definition" in line
    assert "training.batch_size: 64 -> 128" in line
    assert len(reproduce.engine.made) == 3
    assert not (tmp_path / RESULTS / "table1.json").exists()


def test_a_damaged_table_is_not_written_over(reproduce: Any, tmp_path: Path) -> None:
    path = tmp_path / RESULTS / "table2.json"
    path.parent.mkdir(parents=True)
    path.write_text('[{"name":')
    result = reproduce("table2", "--norun")
    assert result.code == 5
    assert "table2.json is not a table" in result.err
    assert path.read_text() == '[{"name":'


@pytest.mark.slow
def test_figure1_needs_neither_runs_nor_data(reproduce: Any, tmp_path: Path) -> None:
    result = reproduce("figure1", "--out=here", "--steps=7")
    assert (result.code, result.out) == (
        0,
        "written: here/figure1-7.png\nwritten: here/figure1-7.json\n",
    )
    assert (tmp_path / "here" / "figure1-7.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "here" / "figure1-7.json").read_text())["steps"] == 7
    assert reproduce.engine.workers == []


@pytest.mark.slow
def test_spectra_of_a_trained_network_are_those_of_its_workdir(
    reproduce: Any, tmp_path: Path
) -> None:
    config = tiny_config(training__steps=4, task__validation_size=0)
    train_and_evaluate(config, tmp_path / "runs" / "mine")
    result = reproduce("spectra", "--workdir=runs/mine", "--out=here")
    assert result.out == "written: here/spectra-mine.png\nwritten: here/spectra-mine.csv\n"
    lines = list(csv.DictReader((tmp_path / "here" / "spectra-mine.csv").read_text().splitlines()))
    assert {line["network"] for line in lines} == {"at the start", "after 4 updates"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "say which of table1, table2, integrators, trainability, figure1, spectra, phase"),
        (["tabel1"], 2, "did you mean 'table1'?"),
        (["table1", "table2"], 2, "stray argument 'table2'"),
        (["table1", "--rows=mnist-gate"], 2, "did you mean 'mnist-gated'?"),
        (["table1", "--rows=mnist-kru"], 2, "found 'mnist-kru'"),
        (["table1", "--workers=0"], 2, "--workers must be at least 1, found 0"),
        (["table1", "--source=files"], 2, "task.data_dir is empty"),
        (["table1", "--source=bundled"], 2, "files|tfds"),
        (["figure1", "--out=file"], 5, "cannot write to file"),
        (["figure1", "--steps=0"], 2, "--steps must be at least 1, found 0"),
        (["spectra", "--steps=9"], 2, "--steps can be used only with figure1"),
        (["figure1", "--workdir=w"], 2, "--workdir can be used only with spectra"),
        (["spectra", "--workdir=w", "--quick"], 2, "--quick can be used only without --workdir"),
        (["spectra", "--workdir=none"], 2, "none/config.json not found"),
        (["spectra", "--data_dir=d"], 2, "only with a table or spectra --workdir"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str], code: int, words: str, reproduce: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = reproduce(*arguments)
    assert result.code == code, result.err
    assert result.err.startswith("asrnn.reproduce: ")
    assert result.err.count("\n") == 1
    assert words in result.err
    assert not (tmp_path / RESULTS / "table1.json").exists()


def test_help_names_what_there_is(reproduce: Any) -> None:
    result = reproduce("--help")
    assert (result.code, result.err) == (0, "")
    assert "table1|table2" in result.out
    assert "--norun" in result.out
