"""The closing table says in a few lines what came out, also of a run without validation."""

from __future__ import annotations

from typing import Any

import pytest

from asrnn.reports.closing_tables import summary_table

SUMMARY: dict[str, Any] = {
    "status": "done",
    "task": "digits",
    "cell": "antisymmetric",
    "steps": 3000,
    "num_parameters": 12345,
    "validation_accuracy": 0.98765,
    "best_step": 2500,
    "test_accuracy": 0.95,
    "seconds": 90.4,
    "backend": "scan",
    "device": "cpu (2 cores)",
    "peak_memory_bytes": 300 * 2**20,
}


def test_the_table_says_what_came_out() -> None:
    assert summary_table(SUMMARY).splitlines() == [
        "task, cell           digits, antisymmetric",
        "test accuracy        95.00%",
        "validation accuracy  98.77% (best, step 2,500)",
        "parameters           12,345",
        "steps                3,000 in 1m30s",
        "recurrence           scan on cpu (2 cores)",
        "peak memory          300 MiB",
    ]


def test_it_says_so_where_products_were_rounded() -> None:
    assert "native in bfloat16 on cpu" in summary_table(
        SUMMARY | {"backend": "native", "precision": "bfloat16"}
    )
    assert "scan on cpu" in summary_table(SUMMARY | {"precision": "float32"})


def test_it_says_so_where_the_best_parameters_were_not_those_tested() -> None:
    table = summary_table(SUMMARY | {"test_step": 3000})
    said = "test accuracy        95.00% (step 3,000: the best checkpoint is damaged)"
    assert said in table.splitlines()
    assert summary_table(SUMMARY | {"test_step": 2500}) == summary_table(SUMMARY)


@pytest.mark.parametrize("name", ["validation_accuracy", "test_accuracy"])
def test_what_was_not_measured_is_none(name: str) -> None:
    table = summary_table(SUMMARY | {name: None, "best_step": None})
    assert f"{name.replace('_', ' '):<20} none" in table.splitlines()


def test_what_names_the_task_exactly_is_said() -> None:
    table = summary_table(SUMMARY | {"noise": "fresh"})
    assert table.splitlines()[-1] == f"{'noise':<20} fresh"
