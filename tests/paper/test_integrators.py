"""The table of integrators: what its rows run, what they cost, and how they are shown."""

from pathlib import Path
from typing import Any

import pytest

from asrnn.dynamics import CELLS, SCHEMES, Ode
from asrnn.paper.integrators import draw_integrators, evaluations, integrator_table
from asrnn.paper.table_definition import read_table, stages_of
from asrnn.training.experiment import parameter_shapes

TABLE = read_table("integrators")


def result(scheme: str, substeps: int = 1, diffusion: float = 0.0, **fields: Any) -> dict[str, Any]:
    return {
        "cell": "hamiltonian" if SCHEMES[scheme].needs == "split" else "antisymmetric",
        "quick": False,
        "mean": None,
        "std": None,
        "validation_accuracy": None,
        "seeds": [],
        "diverged": [],
        "runs": [],
        "seconds": None,
        "settings": {
            "model.discretization": scheme,
            "model.substeps": substeps,
            "model.diffusion": diffusion,
        },
    } | fields


MEASURED = {
    "mean": 90.125,
    "std": 0.5,
    "validation_accuracy": 90.5,
    "seconds": 61.2,
    "seeds": [0, 1],
    "runs": [{"test_accuracy": 89.625}, {"test_accuracy": 90.625}],
}


def test_every_row_is_a_run_that_fits_its_cell(tmp_path: Path) -> None:
    for row in TABLE.rows:
        ((job,),) = stages_of(row, tmp_path, quick=True, data={"task.source": "tfds"})
        assert parameter_shapes(job.config)


def test_the_rows_differ_in_the_discretisation_and_gamma_alone() -> None:
    free = {"model.cell", "model.discretization", "model.substeps", "model.diffusion"}
    shared = [
        {k: v for k, v in (row.overrides or {}).items() if k not in free} for row in TABLE.rows
    ]
    assert all(other == shared[0] for other in shared)


def test_every_scheme_of_the_paper_s_field_and_of_the_split_one_is_compared() -> None:
    cell = CELLS["hamiltonian"]
    assert isinstance(cell, Ode)
    compared = {(row.overrides or {})["model.discretization"] for row in TABLE.rows}
    assert compared == {name for name, scheme in SCHEMES.items() if scheme.needs in cell.offers}


@pytest.mark.parametrize(
    ("scheme", "substeps", "count"),
    [
        ("euler", 4, 4),
        ("rk4", 1, 4),
        ("ab2", 2, 2),
        ("midpoint", 2, 4),
        ("symplectic_euler", 1, 1),
        ("leapfrog", 1, 1.5),
        ("trapezoid", 1, None),
    ],
)
def test_the_cost_is_the_evaluations_of_the_whole_field(
    scheme: str, substeps: int, count: float | None
) -> None:
    assert evaluations(result(scheme, substeps)) == count


def test_a_line_of_the_table_has_what_was_measured_or_nothing() -> None:
    rows = [result("leapfrog", **MEASURED), result("trapezoid", diffusion=0.1)]
    *_, measured, empty = integrator_table("Title", rows).splitlines()
    assert measured == (
        "| 0 | hamiltonian | leapfrog | 2 | 1 | 1.5 | **90.12** ± 0.50 | 90.50 | 2 (0, 1) | 61 |"
    )
    assert empty == "| 0.1 | antisymmetric | trapezoid | 2 | 1 |  |  |  |  |  |"


def test_the_figure_is_drawn_also_where_nothing_was_measured(tmp_path: Path) -> None:
    rows = [
        result("euler", 2, **MEASURED),
        result("trapezoid", **MEASURED),
        result("rk4", diffusion=0.1),
    ]
    path = draw_integrators("Title", rows, tmp_path / "figure.png")
    assert path.read_bytes().startswith(b"\x89PNG")
