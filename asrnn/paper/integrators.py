"""Schemes on one field, accuracy against cost: the table for people, and its figure.

It is not in the paper; it answers the paper's closing question, which other numerical methods
would do for recurrent networks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asrnn.dynamics import SCHEMES
from asrnn.files import replacing
from asrnn.paper.table_text import accuracy_text, heading, line, seeds_text

INTEGRATORS = "integrators"
"""The name of the table."""

Row = Mapping[str, Any]
"""A row as `asrnn.paper.table_results` makes it."""

COLUMNS = (
    *("γ", "cell", "scheme", "order", "substeps"),
    *("evaluations", "test", "validation", "runs (seeds)", "seconds"),
)

BESIDE = 1.05
"""The factor by which the dots of a figure are to the right of their mean."""


def integrator_table(title: str, rows: Sequence[Row]) -> str:
    """A line for each scheme, its substeps and γ."""
    lines = [
        *heading(title, rows),
        "",
        "Accuracy in %, mean ± sample standard deviation over seeds; empty: not measured."
        " *Evaluations* of the field for each input; those of an implicit scheme depend on the"
        " state."
        " *Seconds* of a run, on the machine and beside the programs that there were.",
        "",
        line(COLUMNS),
        line(["---"] * len(COLUMNS)),
        *(line(_cells(row)) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def evaluations(row: Row) -> float | None:
    """Of the field for each input; None where they depend on the state.

    A split scheme evaluates half of the field at a time: leapfrog 3 halves, 1.5 in all.
    """
    scheme = SCHEMES[row["settings"]["model.discretization"]]
    each = (scheme.stages + 1) / 2 if scheme.needs == "split" else scheme.stages
    return float(each * row["settings"]["model.substeps"]) or None


def _cells(row: Row) -> list[str]:
    settings = row["settings"]
    scheme = SCHEMES[settings["model.discretization"]]
    measured = row["mean"] is not None
    return [
        f"{settings['model.diffusion']:g}",
        row["cell"],
        settings["model.discretization"],
        str(scheme.order),
        str(settings["model.substeps"]),
        "" if (count := evaluations(row)) is None else f"{count:g}",
        accuracy_text(row),
        f"{row['validation_accuracy']:.2f}" if measured else "",
        seeds_text(row["seeds"]),
        f"{row['seconds']:.0f}" if measured else "",
    ]


def draw_integrators(title: str, rows: Sequence[Row], path: Path) -> Path:
    """Test accuracy against the evaluations of the field for each input, without γ and with.

    The mean, and beside it a dot for each seed, so that the failure of one shows.
    A scheme whose evaluations depend on the state is a line over all of them.
    """
    from matplotlib.figure import Figure

    measured = [row for row in rows if row["mean"] is not None]
    diffusions = sorted({row["settings"]["model.diffusion"] for row in rows})
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, len(diffusions), sharex=True, sharey=True, squeeze=False)[0]
    for axis, diffusion in zip(panels, diffusions, strict=True):
        own = [row for row in measured if row["settings"]["model.diffusion"] == diffusion]
        for number, name in enumerate(dict.fromkeys(_name(row) for row in rows)):
            _draw_scheme(axis, [row for row in own if _name(row) == name], name, number)
        axis.set(title=f"γ = {diffusion:g}", xlabel="evaluations of the field for each input")
        axis.set_xscale("log", base=2)
        axis.set_xlim(0.8, 5.0)
        axis.set_xticks([1, 2, 4], ["1", "2", "4"])
        axis.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy, %")
    # What was not measured has no line, and what was in one panel alone still has a name.
    named = {
        label: handle
        for axis in panels
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside right upper", frameon=False)
    figure.suptitle(title, fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def _name(row: Row) -> str:
    scheme: str = row["settings"]["model.discretization"]
    return scheme if row["cell"] == "antisymmetric" else f"{scheme} ({row['cell']})"


def _draw_scheme(axis: Any, rows: Sequence[Row], name: str, number: int) -> None:
    # Twenty pairs before one comes again, for colour and mark change at different periods.
    marker = "osD^"[number % 4]
    style = {"color": f"C{number % 10}", "label": name}
    points = [(evaluations(row), row) for row in rows]
    counted = [(x, row) for x, row in points if x is not None]
    if counted:
        axis.plot(
            *zip(*((x, row["mean"]) for x, row in counted), strict=True), f"-{marker}", **style
        )
        for x, row in counted:
            for run in row["runs"]:
                axis.plot(BESIDE * x, run["test_accuracy"], ".", color=style["color"])
    elif points:
        axis.axhline(points[0][1]["mean"], linestyle="--", linewidth=1, **style)
