"""Pictures of a sweep: what each setting did to the validation, never to the test.

Where less is better the axis is turned round: the best is always on top."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asrnn.errors import CheckpointError
from asrnn.files import replacing
from asrnn.reports.importance import importance_line
from asrnn.reports.parameter_scale import Scale, make_scale
from asrnn.reports.sweep import Entry, TrialTable, read_sweep
from asrnn.reports.ticks import linear_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GOLDEN = (math.sqrt(5) - 1) / 2
LOST, UNKNOWN, BEST = "#d62728", "#9aa3ad", "#e8590c"
INK = "#444c56"  # of axes, and in the key of lines whose colour is their score
PANELS_ACROSS = 4


class Picture(NamedTuple):
    """A PNG, and what it shows in words."""

    name: str
    png: bytes
    description: str


def close_sweep(table: Path) -> list[str]:
    """What a sweep says last: where the best is, how much each field decided, what was written.

    Raises:
      CheckpointError: if a picture cannot be written.
    """
    try:
        written = [f"written: {path}" for path in (table, *draw_sweep(table))]
    except OSError as error:
        raise CheckpointError(f"cannot draw the sweep: {error}") from None
    sweep = read_sweep(table, table.parent.name)
    best = [] if sweep.best is None else [table.parent / one.id for one in sweep.best.entries]
    trained = f"trained already: {', '.join(map(str, best))}" if best else None
    return [line for line in (trained, importance_line(sweep)) if line is not None] + written


def draw_sweep(table: Path) -> list[Path]:
    """Draws the pictures of a sweep.csv beside it; none if the sweep sets no field."""
    paths = []
    for picture in sweep_pictures(read_sweep(table, table.parent.name)):
        path = table.with_name(f"{picture.name}.png")
        with replacing(path) as temporary:
            temporary.write_bytes(picture.png)
        paths.append(path)
    return paths


def sweep_pictures(sweep: TrialTable) -> list[Picture]:
    """Parallel coordinates and a panel for each parameter; none if no field is set."""
    if not sweep.fields or not sweep.entries:
        return []
    about = (
        f"{len(sweep.entries)} trials of {sweep.name}, by validation {sweep.objective.monitored}"
    )
    if sweep.best is not None:
        about += f"; best {sweep.best}"
    return [
        Picture("parallel_coordinates", _png(parallel_coordinates(sweep)), f"Settings of {about}"),
        Picture(
            "parameters",
            _png(parameter_panels(sweep)),
            f"{sweep.objective.monitored.capitalize()} by parameter of {about}",
        ),
    ]


def varying_fields(sweep: TrialTable) -> list[str]:
    """The fields that do not have one value in all trials; all of them if none varies."""
    varying = [
        name for name in sweep.fields if len({entry.values[name] for entry in sweep.entries}) > 1
    ]
    return varying or sweep.fields


def parallel_coordinates(sweep: TrialTable) -> "Figure":
    """A line for each trial through its settings to its validation score.

    Trials that are done have solid lines, pruned ones dashes and dots, those not finished dashes;
    the colour is the score. Diverged trials are red dots to the foot of the last axis, and trials
    without a score yet are grey and end before it.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    fields = varying_fields(sweep)
    scales = _scales(sweep, fields)
    width = max(8.0, 1.7 * (len(fields) + 1) + 1.5)
    figure = Figure(figsize=(width, 5.0), layout="constrained")
    axes = figure.subplots()
    norm = _norm(sweep)
    colours = ScalarMappable(norm, "viridis")
    jitter = _jitter(len(sweep.entries))
    offsets = {entry.id: offset for entry, offset in zip(sweep.entries, jitter, strict=True)}
    best = _best(sweep)
    for entry in sorted(sweep.entries, key=lambda entry: _drawing_order(sweep, entry)):
        places = [
            _within(
                scales[name].position(entry.values[name])
                + offsets[entry.id] * scales[name].room / 2
            )
            for name in fields
        ]
        style = _line_style(entry, sweep, colours, best=entry in best)
        if entry.status == "diverged":
            places.append(-0.1)
        elif entry.score is not None:
            places.append(float(norm(_height(sweep, entry.score))))
        axes.plot(range(len(places)), places, **style)
    for i, name in enumerate(fields):
        _draw_scale(axes, i, scales[name])
    _draw_score_scale(axes, len(fields), sweep, colours)
    lost = "diverged" in _kinds(sweep)
    if lost:
        _tick(axes, len(fields), -0.1, "diverged")
    labels = [name.replace(".", ".\n", 1) for name in fields]
    axes.set_xticks(range(len(fields) + 1), [*labels, f"validation\n{sweep.objective.monitored}"])
    axes.tick_params(axis="x", length=0)
    axes.xaxis.tick_top()
    axes.set(xlim=(-0.35, len(fields) + 0.45), ylim=(-0.16 if lost else -0.04, 1.07), yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(_title(sweep), fontsize=11, loc="left", pad=14)
    _legend(figure, sweep, _line_key(sweep))
    return figure


def parameter_panels(sweep: TrialTable) -> "Figure":
    """A panel for each parameter: the validation score against its value."""
    from matplotlib.figure import Figure

    fields = varying_fields(sweep)
    scales = _scales(sweep, fields)
    across = min(len(fields), PANELS_ACROSS)
    down = math.ceil(len(fields) / across)
    figure = Figure(figsize=(max(3.2 * across, 8.0), 2.9 * down + 0.8), layout="constrained")
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    limits = _limits(sweep)
    for panel, name in zip(panels.flat, fields, strict=False):
        _draw_panel(panel, sweep, name, scales[name], limits)
    for panel in panels.flat[len(fields) :]:
        panel.set_axis_off()
    for row in panels:
        row[0].set_ylabel(f"validation {sweep.objective.metric.label}")
        row[0].yaxis.set_major_formatter(lambda height, _: f"{_sign(sweep) * height:.6g}")
    figure.suptitle(_title(sweep), fontsize=11, x=0.01, ha="left")
    _legend(figure, sweep, _dot_key(sweep))
    return figure


def _scales(sweep: TrialTable, fields: Sequence[str]) -> dict[str, Scale]:
    return {
        name: make_scale([entry.values[name] for entry in sweep.entries], sweep.scales.get(name))
        for name in fields
    }


def _draw_panel(
    panel: "Axes", sweep: TrialTable, name: str, scale: Scale, limits: tuple[float, float]
) -> None:
    low, high = limits
    lost = "diverged" in _kinds(sweep)
    floor = low - 0.07 * (high - low) if lost else low
    offsets, best = _jitter(len(sweep.entries)), _best(sweep)
    for kind, style in _dot_key(sweep).items():
        dots = [
            (
                scale.position(entry.values[name]) + offset * scale.room,
                _dot_height(sweep, entry, floor),
            )
            for entry, offset in zip(sweep.entries, offsets, strict=True)
            if (entry in best if kind == "best" else _kind(entry) == kind)
        ]
        panel.plot(*zip(*dots, strict=True), **style)
    if lost:
        panel.axhline(low - 0.02 * (high - low), color="#d5dae0", linewidth=0.8)
    places, labels = zip(*scale.ticks, strict=True)
    long = sum(map(len, labels)) > 26
    if long and len(labels) <= 3:
        labels = tuple(label.replace("_", "_\n") for label in labels)
    rotated: dict[str, Any] = {"rotation": 30, "ha": "right"} if long and len(labels) > 3 else {}
    panel.set_xticks(places, labels, fontsize=8, **rotated)
    panel.tick_params(axis="y", labelsize=8)
    panel.set_xlim(-0.12, 1.12)
    panel.set_ylim(floor - 0.05 * (high - low), high + 0.05 * (high - low))
    panel.set_xlabel(name + (" (log)" if scale.log else ""), fontsize=9)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_scale(axes: "Axes", x: int, scale: Scale) -> None:
    axes.plot([x, x], [0, 1], color=INK, linewidth=1, zorder=3)
    for place, label in scale.ticks:
        _tick(axes, x, place, label)
    if scale.log:
        axes.text(x, 1.035, "log", ha="center", va="bottom", fontsize=7.5, color="#57606a")


def _draw_score_scale(axes: "Axes", x: int, sweep: TrialTable, colours: Any) -> None:
    norm = colours.norm
    shades = [[norm.vmin + (norm.vmax - norm.vmin) * i / 99] for i in range(100)]
    bar = ([x, x + 0.04], [i / 100 for i in range(101)])
    axes.pcolormesh(*bar, shades, norm=norm, cmap=colours.cmap, zorder=3)
    for tick in linear_ticks(norm.vmin, norm.vmax):
        unit = " %" if sweep.objective.metric.percent else ""
        _tick(axes, x, float(norm(tick)), f"{_sign(sweep) * tick:g}{unit}")


def _tick(axes: "Axes", x: int, place: float, label: str) -> None:
    axes.plot([x - 0.03, x + 0.03], [place, place], color=INK, linewidth=1, zorder=3)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}
    axes.text(x + 0.05, place, label, va="center", fontsize=8, zorder=6, bbox=box)


def _sign(sweep: TrialTable) -> int:
    """-1 where less is better."""
    return 1 if sweep.objective.metric.better == "higher" else -1


def _height(sweep: TrialTable, score: float) -> float:
    """How high a score is drawn, the better the higher: in percent where it is a fraction."""
    return _sign(sweep) * (100 * score if sweep.objective.metric.percent else score)


def _limits(sweep: TrialTable) -> tuple[float, float]:
    """The lowest and highest height, never the same."""
    heights = [
        _height(sweep, entry.score)
        for entry in sweep.entries
        if entry.score is not None and entry.status != "diverged"
    ]
    low, high = min(heights, default=0.0), max(heights, default=100.0)
    if high > low:
        return low, high
    room = 1.0 if sweep.objective.metric.percent else abs(low) / 10 or 1.0
    return low - room, high + room


def _norm(sweep: TrialTable) -> Any:
    from matplotlib.colors import Normalize

    return Normalize(*_limits(sweep))


def _drawing_order(sweep: TrialTable, entry: Entry) -> tuple[bool, float]:
    """The best last, so that it is on top; what has no score first."""
    counts = entry.status != "diverged" and entry.score is not None
    return counts, -sweep.objective.metric.cost(entry.score)


def _line_style(entry: Entry, sweep: TrialTable, colours: Any, *, best: bool) -> dict[str, Any]:
    if entry.status == "diverged":
        return {"color": LOST, "linestyle": ":", "linewidth": 1, "alpha": 0.6}
    line = {"linestyle": {"done": "-", "pruned": "-."}.get(entry.status, "--")}
    if entry.score is None:
        return line | {"color": UNKNOWN, "linewidth": 0.8, "alpha": 0.7}
    if best:
        return line | {"color": BEST, "linewidth": 2.6, "zorder": 5}
    colour = colours.to_rgba(_height(sweep, entry.score))
    return line | {"color": colour, "linewidth": 1, "alpha": 0.7}


def _line_key(sweep: TrialTable) -> dict[str, dict[str, Any]]:
    """What occurs among the trials, and how its line looks."""
    about: dict[str, dict[str, Any]] = {
        "done": {"color": INK},
        "pruned": {"color": INK, "linestyle": "-."},
        "not finished": {"color": INK, "linestyle": "--"},
        "no score yet": {"color": UNKNOWN, "linestyle": "--"},
        "diverged": {"color": LOST, "linestyle": ":"},
        "best": {"color": BEST, "linewidth": 2.6},
    }
    return {kind: about[kind] for kind in about if kind in _kinds(sweep)}


def _dot_key(sweep: TrialTable) -> dict[str, dict[str, Any]]:
    """What occurs among the trials, and how its dot looks."""
    dot: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": "#2c6fad"}
    about: dict[str, dict[str, Any]] = {
        "done": dot | {"markersize": 4, "alpha": 0.65},
        "pruned": dot | {"marker": "v", "markersize": 4, "alpha": 0.65},
        "not finished": dot | {"markersize": 4, "alpha": 0.65, "mfc": "none"},
        "diverged": dot | {"marker": "x", "color": LOST, "markersize": 5},
        "best": dot | {"marker": "*", "color": BEST, "markersize": 13, "mec": "black"},
    }
    return {kind: about[kind] for kind in about if kind in _kinds(sweep)}


def _kinds(sweep: TrialTable) -> dict[str, int]:
    """How many trials are of each kind; some are of the best setting too."""
    kinds = [_kind(entry) for entry in sweep.entries]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    best = len(_best(sweep))
    return counts | ({"best": best} if best else {})


def _best(sweep: TrialTable) -> list[Entry]:
    """The trials of the best setting."""
    return [] if sweep.best is None else sweep.best.entries


def _kind(entry: Entry) -> str:
    if entry.status == "diverged":
        return "diverged"
    if entry.score is None:
        return "no score yet"
    return entry.status if entry.status in ("done", "pruned") else "not finished"


def _dot_height(sweep: TrialTable, entry: Entry, floor: float) -> float:
    """The height of the score; what diverged is below all others."""
    if entry.status == "diverged" or entry.score is None:
        return floor
    return _height(sweep, entry.score)


def _legend(figure: "Figure", sweep: TrialTable, key: dict[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    counts = _kinds(sweep)
    handles = [
        Line2D([], [], label=kind if kind == "best" else f"{kind} ({counts[kind]})", **style)
        for kind, style in key.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=5, frameon=False, fontsize=8)


def _title(sweep: TrialTable) -> str:
    found = "" if sweep.best is None else f"; best {sweep.best}"
    count = len(sweep.entries)
    trials, by = f"{count} trial{'s' * (count != 1)}", sweep.objective.monitored
    return f"{trials} by validation {by} (not test){found}"


def _jitter(count: int) -> list[float]:
    """`count` offsets in [-1, 1), evenly spread and always the same."""
    return [2 * (i * GOLDEN % 1) - 1 for i in range(count)]


def _within(place: float) -> float:
    """A position that was moved past an end of its axis is reflected back inside."""
    return 1 - abs(1 - abs(place))


def _png(figure: "Figure") -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=120)
    return written.getvalue()
