"""The maths of one time step: pure functions on arrays, with the paper's symbols."""

from dataclasses import replace

from asrnn.dynamics.antisymmetric import (
    antisymmetric_field,
    antisymmetric_matrix,
    gated_antisymmetric_field,
    init_antisymmetric,
    init_gated_antisymmetric,
    packed_triangle,
    recurrent_matrix,
)
from asrnn.dynamics.baselines import (
    ablation_field,
    gru_step,
    init_ablation,
    init_gru,
    init_lstm,
    init_vanilla,
    lstm_step,
    vanilla_step,
)
from asrnn.dynamics.cell import Cell, Coefficients, MapCell, OdeCell
from asrnn.dynamics.field import TanhField
from asrnn.dynamics.integrators import INTEGRATORS
from asrnn.errors import check_choice

__all__ = [
    "CELLS",
    "INTEGRATORS",
    "Cell",
    "Coefficients",
    "MapCell",
    "OdeCell",
    "TanhField",
    "antisymmetric_matrix",
    "make_cell",
    "packed_triangle",
    "recurrent_matrix",
]

CELLS: dict[str, OdeCell | MapCell] = {
    "antisymmetric": OdeCell(init_antisymmetric, antisymmetric_field),
    "gated_antisymmetric": OdeCell(init_gated_antisymmetric, gated_antisymmetric_field),
    "ablation": OdeCell(init_ablation, ablation_field),
    "vanilla": MapCell(init_vanilla, vanilla_step),
    "lstm": MapCell(init_lstm, lstm_step, num_states=2),
    "gru": MapCell(init_gru, gru_step),
}


def make_cell(name: str, discretization: str = "euler") -> Cell:
    """The cell of that name; a discretisation applies to the ODE cells.

    Raises:
      ConfigError: for a name that is not in `CELLS` or `INTEGRATORS`.
    """
    check_choice("model.cell", name, CELLS)
    check_choice("model.discretization", discretization, INTEGRATORS)
    cell = CELLS[name]
    if isinstance(cell, OdeCell):
        return replace(cell, discretization=discretization)
    return cell
