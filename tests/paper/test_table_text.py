"""The tables as text: what was measured beside the paper's numbers, and nothing made up."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from asrnn.files import unsealed
from asrnn.paper.table_text import csv_table, json_table, markdown_table

MEASURED: dict[str, Any] = {
    "table": "table1",
    "name": "mnist-antisymmetric",
    "task": "mnist",
    "cell": "antisymmetric",
    "method": "AntisymmetricRNN",
    "recipe": "paper's",
    "paper": 98.0,
    "source": "the paper",
    "cited": False,
    "quick": False,
    "mean": 97.5,
    "std": 0.25,
    "validation_accuracy": 97.61,
    "seeds": [0, 2],
    "diverged": [1],
    "units": 128,
    "num_parameters": 9674,
    "printed_parameters": "10k",
    "steps": 50000,
    "seconds": 3725.0,
    "hardware": "cpu (2 cores), native",
    "command": "python -m asrnn.reproduce table1 --rows=mnist-antisymmetric",
    "settings": {
        "model.step_size": 0.01,
        "model.diffusion": 0.001,
        "model.init_scale": 2.0,
        "model.input_scale": 0.5,
        "optimizer.name": "adagrad",
        "optimizer.learning_rate": 0.5,
    },
    "runs": [
        {"seed": 0, "status": "done"},
        {"seed": 1, "status": "diverged"},
        {"seed": 2, "status": "done"},
    ],
}
NOTHING: dict[str, Any] = {
    **{"mean": None, "std": None, "validation_accuracy": None, "seeds": [], "diverged": []},
    **{"seconds": None, "hardware": None, "runs": []},
}
ONE_SEED = MEASURED | {
    **{
        "method": "LSTM",
        "cell": "lstm",
        "paper": 97.3,
        "source": "the paper, citing A",
        "recipe": "",
    },
    **{"std": None, "seeds": [0], "diverged": [], "runs": [{"seed": 0, "status": "done"}]},
    **{"num_parameters": 67850, "printed_parameters": "68k", "command": "python -m that"},
}
UNMEASURED = MEASURED | NOTHING | {"method": "AntisymmetricRNN w/ gating", "paper": 98.8}
CITED = UNMEASURED | {
    **{
        "method": "KRU",
        "recipe": "",
        "paper": 96.4,
        "cited": True,
        "units": 512,
        "source": "the paper, citing J",
    },
    **dict.fromkeys(["cell", "num_parameters", "steps", "command", "settings"]),
}
ROWS = [ONE_SEED, CITED, MEASURED, UNMEASURED]

GOLDEN = """\
# Table 1

Test accuracy in %. Ours: mean ± sample standard deviation over seeds, of the parameters with the \
best validation accuracy; empty: not measured. *cited*: a number that the paper took from \
elsewhere, not run here.

| task | method | recipe | paper | ours | runs (seeds) | validation | units | parameters | \
printed | steps | time of a run | hardware |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| mnist | LSTM |  | 97.3 [1] | **97.50** | 1 (0) | 97.61 | 128 | 67,850 | 68k | 50,000 | 1h02m | \
cpu (2 cores), native |
| mnist | KRU |  | 96.4 *cited* [2] |  |  |  | 512 |  | 10k |  |  |  |
| mnist | AntisymmetricRNN | paper's | 98.0 [3] | **97.50** ± 0.25 (1 of 3 diverged) | 2 (0, 2) | \
97.61 | 128 | 9,674 | 10k | 50,000 | 1h02m | cpu (2 cores), native |
| mnist | AntisymmetricRNN w/ gating | paper's | 98.8 [3] |  |  |  | 128 | 9,674 | 10k | \
50,000 |  |  |

1. the paper, citing A
2. the paper, citing J
3. the paper

Made with (and with the flags that say where the data are):

- `python -m that` (σ_w 2.0, V 0.5, optimizer adagrad, rate 0.5)
- `python -m asrnn.reproduce table1 --rows=mnist-antisymmetric` (ε 0.01, γ 0.001, σ_w 2.0, V 0.5, \
optimizer adagrad, rate 0.5)
"""


def test_the_markdown_is_this() -> None:
    assert markdown_table("Table 1", ROWS) == GOLDEN


def test_a_table_that_nobody_ran_names_no_command() -> None:
    text = markdown_table("Table 1", [CITED, UNMEASURED])
    assert "98.8" in text
    assert "Made with" not in text


def test_a_row_of_which_all_runs_diverged_has_no_number() -> None:
    runs = [{"seed": 0, "status": "diverged"}]
    line = markdown_table("T", [UNMEASURED | {"runs": runs, "diverged": [0]}]).splitlines()[6]
    assert line == (
        "| mnist | AntisymmetricRNN w/ gating | paper's | 98.8 [1] | (1 of 1 diverged) |  |  |"
        " 128 | 9,674 | 10k | 50,000 |  |  |"
    )


def test_a_row_of_which_nothing_is_published_names_no_source() -> None:
    beyond = MEASURED | {"method": "Hamiltonian", "recipe": "beyond", "paper": None, "source": ""}
    text = markdown_table("T", [beyond, MEASURED])
    assert "| mnist | Hamiltonian | beyond |  | **97.50**" in text
    assert "98.0 [1]" in text
    assert "\n2. " not in text


def test_a_quick_table_says_so_in_its_title() -> None:
    title = markdown_table("Table 1", [MEASURED | {"quick": True}]).splitlines()[0]
    assert title == "# Table 1 (quick check, scaled down: no results)"


def test_the_csv_has_a_line_a_row_and_empty_cells_for_what_is_unknown() -> None:
    found = list(csv.DictReader(io.StringIO(csv_table(ROWS))))
    assert [line["method"] for line in found] == [row["method"] for row in ROWS]
    assert [line["mean"] for line in found] == ["97.5", "", "97.5", ""]
    assert [line["std"] for line in found] == ["", "", "0.25", ""]
    assert [line["seeds"] for line in found] == ["0", "", "0 2", ""]
    assert set(found[0]) == set(MEASURED) - {"settings", "runs"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["method"])
def test_the_json_is_the_rows(row: dict[str, Any]) -> None:
    text = json_table([row])
    assert [unsealed(one) for one in json.loads(text)] == [row]
    assert text.endswith("]\n")
