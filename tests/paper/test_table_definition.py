"""The definitions of the paper's tables: its numbers, and models of the sizes it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from asrnn.errors import ConfigError
from asrnn.paper import table_definition
from asrnn.paper.table_definition import QUICK, Row, Table, choose_rows, read_table, stages_of
from asrnn.paper.table_results import count_parameters
from asrnn.sweeps.trials import Job

TABLES = {name: read_table(name) for name in ("table1", "table2")}
ROWS = {row.name: row for table in TABLES.values() for row in table.rows}
RUNNABLE = [row for row in ROWS.values() if row.config is not None]

PAPER = {
    "mnist": {
        ("LSTM", 128, "68k"): 97.3,
        ("FC uRNN", 116, "16k"): 92.8,
        ("FC uRNN", 512, "270k"): 96.9,
        ("Soft orthogonal", 128, "18k"): 94.1,
        ("KRU", 512, "11k"): 96.4,
        ("AntisymmetricRNN", 128, "10k"): 98.0,
        ("AntisymmetricRNN w/ gating", 128, "10k"): 98.8,
    },
    "pmnist": {
        ("LSTM", 128, "68k"): 92.6,
        ("FC uRNN", 116, "16k"): 92.1,
        ("FC uRNN", 512, "270k"): 94.1,
        ("Soft orthogonal", 128, "18k"): 91.4,
        ("KRU", 512, "11k"): 94.5,
        ("AntisymmetricRNN", 128, "10k"): 95.8,
        ("AntisymmetricRNN w/ gating", 128, "10k"): 93.1,
    },
    "cifar10": {
        ("LSTM", 128, "69k"): 59.7,
        ("Ablation model", 196, "42k"): 54.6,
        ("AntisymmetricRNN", 256, "36k"): 58.7,
        ("AntisymmetricRNN w/ gating", 256, "37k"): 62.2,
    },
    "noise_padded_cifar10": {
        ("LSTM", 128, "69k"): 11.6,
        ("Ablation model", 196, "42k"): 46.2,
        ("AntisymmetricRNN", 256, "36k"): 48.3,
        ("AntisymmetricRNN w/ gating", 256, "37k"): 54.7,
    },
}

BEYOND = "beyond"

SIZES = {
    "mnist-lstm": 67_850,
    "mnist-antisymmetric": 9_674,
    "mnist-gated": 9_930,
    "mnist-antisymmetric-ours": 9_674,
    "pmnist-antisymmetric-ours": 9_674,
    "mnist-gated-ours": 9_930,
    "mnist-gated-hamiltonian": 5_898,
    "pmnist-lstm": 67_850,
    "pmnist-antisymmetric": 9_674,
    "pmnist-gated": 9_930,
    "pmnist-gated-ours": 9_930,
    "cifar10-lstm": 68_874,
    "cifar10-ablation": 41_954,
    "cifar10-antisymmetric": 36_234,
    "cifar10-gated": 37_258,
    "cifar10-gated-hamiltonian": 21_002,
    "cifar10-long-gated-hamiltonian": 21_002,
    "noisy-cifar10-lstm": 116_490,
    "noisy-cifar10-ablation": 78_410,
    "noisy-cifar10-antisymmetric": 60_042,
    "noisy-cifar10-gated": 84_874,
    "noisy-cifar10-gated-ours": 84_874,
}


def jobs(row: Row, *, quick: bool = False) -> list[Job]:
    return stages_of(row, Path("runs"), quick=quick, data={})[-1]


@pytest.mark.parametrize(
    ("table", "tasks"),
    [("table1", ["mnist", "pmnist"]), ("table2", ["cifar10", "noise_padded_cifar10"])],
)
def test_every_row_of_the_paper_is_there_with_its_number(table: str, tasks: list[str]) -> None:
    found: dict[str, dict] = {task: {} for task in tasks}
    for row in TABLES[table].rows:
        if row.recipe != BEYOND:
            found[row.task][row.method, row.units, row.printed_parameters] = row.paper
    assert found == {task: PAPER[task] for task in tasks}


def test_what_goes_beyond_has_no_more_parameters_than_the_row_of_the_paper() -> None:
    for row in RUNNABLE:
        if row.recipe == BEYOND:
            assert row.paper is None and row.name.endswith("-gated-hamiltonian")
            assert SIZES[row.name] <= SIZES[f"{row.task}-gated"]


def test_what_cannot_be_run_here_says_whom_the_paper_cites() -> None:
    cited = [row for row in ROWS.values() if row.config is None]
    assert len(cited) == 8
    assert all("citing" in row.source and not row.seeds for row in cited)


def test_every_runnable_row_has_the_size_that_the_paper_counts() -> None:
    assert {row.name: count_parameters(jobs(row)[0].config) for row in RUNNABLE} == SIZES


@pytest.mark.parametrize("row", RUNNABLE, ids=lambda row: row.name)
def test_the_runs_of_a_row_are_of_its_task_and_its_units(row: Row) -> None:
    made = jobs(row)
    assert [job.config.seed for job in made] == list(row.seeds)
    assert [job.workdir for job in made] == [Path(f"runs/{row.name}-seed{s}") for s in row.seeds]
    for job in made:
        assert job.config.task.name == row.task
        assert job.config.model.hidden_size == row.units
        assert job.config.training.steps == row.steps
        assert job.config.task.validation_size > 0


def test_overrides_seeds_and_the_place_of_the_data_reach_the_config() -> None:
    row = ROWS["mnist-gated"]._replace(
        overrides={"optimizer.learning_rate": 0.25}, steps=7, seeds=(5,)
    )
    ((job,),) = stages_of(row, Path("r"), quick=False, data={"task.data_dir": "here"})
    assert job.workdir == Path("r/mnist-gated-seed5")
    assert job.config.optimizer.learning_rate == 0.25
    assert job.config.training.steps == 7
    assert job.config.model.cell == "gated_antisymmetric"
    assert (job.config.seed, job.config.task.data_dir) == (5, "here")


def test_each_stage_starts_from_the_one_before_and_the_row_from_the_last() -> None:
    file = "configs/noise_padded_cifar10.py"
    row = ROWS["noisy-cifar10-gated-ours"]._replace(
        overrides={"optimizer.clip_norm": 0.5},
        steps=7,
        seeds=(0, 4),
        stages=(f"{file}:gated_100", f"{file}:gated_300"),
    )
    first, second, own = stages_of(row, Path("r"), quick=False, data={})
    names = [[job.workdir.name for job in jobs] for jobs in (first, second, own)]
    assert names == [
        [f"noisy-cifar10-gated-ours-seed{seed}{ending}" for seed in (0, 4)]
        for ending in ("-stage1", "-stage2", "")
    ]
    for jobs in (first, second, own):
        assert [job.config.seed for job in jobs] == [0, 4]
    assert [job.config.training.init_from for job in first] == ["", ""]
    for before, after in ((first, second), (second, own)):
        sources = [job.config.training.init_from for job in after]
        assert sources == [str(job.workdir) for job in before]
    found = [jobs[0].config for jobs in (first, second, own)]
    assert [config.task.padded_length for config in found] == [100, 300, 1000]
    assert found[0].training.steps > found[1].training.steps > found[2].training.steps == 7
    assert [config.optimizer.clip_norm for config in found] == [0.5] * 3


def test_a_quick_run_is_smaller_and_elsewhere() -> None:
    row = ROWS["cifar10-gated"]._replace(overrides={"model.hidden_size": 200})
    (quick,) = jobs(row, quick=True)
    assert quick.workdir == Path("runs/quick/cifar10-gated-seed0")
    assert quick.config.training.steps == QUICK["training.steps"] < 1000
    assert quick.config.model.hidden_size == QUICK["model.hidden_size"] < 32


def test_rows_are_chosen_by_name_and_only_among_those_that_can_be_run() -> None:
    table = TABLES["table2"]
    assert [row.name for row in choose_rows(table, [])] == [name for name in SIZES if "ci" in name]
    assert [row.name for row in choose_rows(table, ["cifar10-lstm"])] == ["cifar10-lstm"]
    with pytest.raises(ConfigError, match="found 'mnist-kru'"):
        choose_rows(TABLES["table1"], ["mnist-kru"])


GOOD = {
    **{"name": "a", "task": "mnist", "method": "A", "paper": 1.0, "units": 2},
    **{"printed_parameters": "1k", "source": "someone"},
}


def write(folder: Path, rows: list[dict], text: str = "TITLE = 'T'\n") -> None:
    (folder / "table.py").write_text(f"{text}ROWS = {rows!r}\n")


def test_a_definition_is_plain_data(tmp_path: Path) -> None:
    write(tmp_path, [GOOD])
    assert read_table("table", tmp_path) == Table("table", "T", (Row(**GOOD),))
    assert jobs(Row(**GOOD)) == []


@pytest.mark.parametrize(
    ("rows", "text", "words"),
    [
        ([GOOD, GOOD], "TITLE = ''\n", "two rows with the name 'a'"),
        ([{**GOOD, "papre": 1}], "TITLE = ''\n", "papre"),
        ([{"name": "a"}], "TITLE = ''\n", "missing"),
        ([{**GOOD, "config": "configs/mnist.py"}], "TITLE = ''\n", "no seeds"),
        ([GOOD], "", "does not define 'TITLE'"),
        ([GOOD], "1 / 0\n", "ZeroDivisionError"),
    ],
    ids=["twice", "unknown key", "missing key", "no seeds", "no title", "fails"],
)
def test_a_definition_that_cannot_be_used_is_refused_in_one_line(
    rows: list[dict], text: str, words: str, tmp_path: Path
) -> None:
    write(tmp_path, rows, text)
    with pytest.raises(ConfigError, match=words) as refused:
        read_table("table", tmp_path)
    assert "\n" not in str(refused.value)


def test_without_its_definition_a_table_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="install it again"):
        read_table("table1", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"), [(None, "not found"), ("x = 1\n", "no function get_config")]
)
def test_a_config_that_is_not_there_is_named(
    text: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_definition, "FOLDER", tmp_path)
    if text is not None:
        (tmp_path / "own.py").write_text(text)
    with pytest.raises(ConfigError, match=words):
        jobs(Row(**GOOD, config="own.py", seeds=(0,)))
