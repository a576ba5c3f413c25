"""The maths of one time step: pure functions on arrays, with the paper's symbols."""

from typing import Any

from asrnn.dynamics.cells import CELLS
from asrnn.dynamics.cells.antisymmetric import (
    antisymmetric_matrix,
    packed_triangle,
    recurrent_matrix,
)
from asrnn.dynamics.contract import (
    GATE_STAGES,
    Cell,
    Coefficients,
    MapCell,
    Ode,
    Scalars,
    Scheme,
)
from asrnn.dynamics.ode_cell import OdeCell
from asrnn.dynamics.schemes import SCHEMES
from asrnn.dynamics.tanh_field import SplitTanhField, TanhField
from asrnn.errors import ConfigError, check_choice, near_miss
from asrnn.options import check_value, values_of

__all__ = [
    "CELLS",
    "SCHEMES",
    "Cell",
    "Coefficients",
    "MapCell",
    "Ode",
    "OdeCell",
    "Scalars",
    "Scheme",
    "SplitTanhField",
    "TanhField",
    "antisymmetric_matrix",
    "make_cell",
    "packed_triangle",
    "recurrent_matrix",
]


def make_cell(name: str, discretization: str = "euler", **values: Any) -> Cell:
    """The cell of that name; a discretisation applies to the cells that are ODEs.

    Args:
      name: of `CELLS`.
      discretization: of `SCHEMES`.
      **values: of the scheme's options, `substeps` for example; those that are missing have
        their defaults.

    Raises:
      ConfigError: for a name that is not in the tables, a scheme that asks for more than the
        field of the cell offers, or a value that the scheme does not read or cannot have.
    """
    check_choice("model.cell", name, CELLS)
    check_choice("model.discretization", discretization, SCHEMES)
    cell, scheme = CELLS[name], SCHEMES[discretization]
    if isinstance(cell, MapCell):
        for given in values:
            raise ConfigError(f"model.cell={name} has no scheme to read {given!r}; leave it out")
        return cell
    if scheme.needs not in cell.offers:
        raise ConfigError(_misfit(name, cell, discretization, scheme))
    known = [option.name for option in scheme.options]
    for given in values:
        if given not in known:
            raise ConfigError(
                f"model.discretization={discretization} does not read {given!r};"
                f" it reads {', '.join(known)}{near_miss(given, known)}"
            )
    for option in scheme.options:
        check_value(f"model.{option.name}", option, values.get(option.name, option.default))
    if values.get(GATE_STAGES.name) == "frozen" and "gate" not in cell.offers:
        gated = [other for other, it in CELLS.items() if _offers(it, "gate")]
        raise ConfigError(
            f"model.gate_stages=frozen needs a gate, which model.cell={name} does not have;"
            f" {', '.join(gated)} have one; leave it at 'each'"
        )
    return OdeCell(cell, discretization, scheme, tuple(values_of(scheme, values).items()))


def _misfit(name: str, cell: Ode, discretization: str, scheme: Scheme) -> str:
    schemes = [other for other, it in SCHEMES.items() if it.needs in cell.offers]
    cells = [other for other, it in CELLS.items() if _offers(it, scheme.needs)]
    return (
        f"model.discretization={discretization} needs a {scheme.needs} form, which"
        f" model.cell={name} does not have; {name} goes with {', '.join(schemes)};"
        f" {discretization} goes with {', '.join(cells) or 'no cell'}"
    )


def _offers(cell: Ode | MapCell, what: str) -> bool:
    return isinstance(cell, Ode) and what in cell.offers
