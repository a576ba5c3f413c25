"""One HTML file about a folder of runs and sweeps: it loads nothing from elsewhere."""

import base64
import gzip
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from asrnn.console import to_stderr
from asrnn.errors import AsrnnError
from asrnn.files import replacing_output
from asrnn.reports import page_data, page_tables
from asrnn.reports.importance import importance_line
from asrnn.reports.results import results_figures, results_tables
from asrnn.reports.runs import Run, find_workdirs, read_readable
from asrnn.reports.sweep import TrialTable, find_sweeps, read_sweep
from asrnn.runs.workdir import METRICS
from asrnn.sweeps.folder import TABLE


class Sweep(NamedTuple):
    """A sweep, and the runs of those trials that have begun, by the id of the trial."""

    table: TrialTable
    runs: dict[str, Run]

    @property
    def importance(self) -> str | None:
        """How much each field decided, in a line; None if that cannot be said."""
        return importance_line(self.table)

    def name_of(self, trial: str) -> str | None:
        """The name of the run of a trial, by its id."""
        return self.runs[trial].name if trial in self.runs else None


def make_page(
    root: Path, results: Path | None = None, tell: Callable[[str], None] = to_stderr
) -> str:
    """The page as HTML; the same folder makes the same page.

    Args:
      root: all workdirs and folders of sweeps in and below it are shown.
      results: a folder with table*.json and figures to be shown too.
      tell: is given a line on each run or sweep that is damaged; the page has these lines, too.

    Raises:
      ConfigError: if there is no run below the folder, or no folder of results.
      CheckpointError: if all runs are damaged, or a file of the results is.
    """
    left_out: list[str] = []
    by_folder = read_readable(find_workdirs(root), root, left_out.append)
    sweeps = []
    for folder in find_sweeps(root):
        try:
            sweeps.append(_read_sweep(folder, root, by_folder))
        except AsrnnError as error:
            left_out.append(f"left out, its trials are shown as runs: {error}")
    for line in left_out:
        tell(line)
    trials = [run for sweep in sweeps for run in sweep.runs.values()]
    names = {run.name for run in trials}
    runs = [run for run in by_folder.values() if run.name not in names]
    groups = [*page_data.by_task(runs), *(page_data.ranked(list(s.runs.values())) for s in sweeps)]
    shown = [run for group in groups for run in group]
    plotly = _plotly()
    style, script = (_text(name) for name in ("page.css", "page.js"))
    page: str = _template("page.html").render(
        title=root.resolve().name,
        written=_last_written(list(by_folder)),
        left_out=left_out,
        root=root.as_posix().rstrip("/"),
        runs=runs,
        shown=shown,
        sweeps=sweeps,
        groups=groups,
        of_tasks=len(groups) - len(sweeps),
        compared=runs or shown,
        diagnosed=[run for run in shown if _has_diagnostics(run)],
        tables=results_tables(results) if results else [],
        figures=results_figures(results) if results else [],
        data={
            "runs": page_data.run_data(shown),
            "groups": [_group(group, shown) for group in groups],
            "sweeps": [page_data.sweep_data(sweep.table) for sweep in sweeps],
        },
        about=page_tables,
        style=style,
        script=script,
        plotly=base64.b64encode(gzip.compress(plotly.encode(), mtime=0)).decode(),
        policy=_policy(script, plotly, evaluates=bool(sweeps)),
    )
    return page


def write_page(page: str, out: Path) -> None:
    """Writes the page.

    Raises:
      CheckpointError: if it cannot be written there.
    """
    with replacing_output(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _read_sweep(folder: Path, root: Path, by_folder: dict[Path, Run]) -> Sweep:
    relative = folder.relative_to(root)
    name = relative.as_posix() if relative.parts else folder.resolve().name
    table = read_sweep(folder / TABLE, name)
    runs = {e.id: by_folder[folder / e.id] for e in table.entries if folder / e.id in by_folder}
    return Sweep(table, runs)


def _group(group: Sequence[Run], shown: Sequence[Run]) -> dict[str, Any]:
    """The runs that are drawn together, by their places, and what can be drawn of them."""
    names = {run.name for run in group}
    drawn: dict[str, Any] = {}
    for run in group:
        drawn |= {metric["name"]: metric for metric in page_data.metric_data(run)}
    places = [i for i, run in enumerate(shown) if run.name in names]
    return {"runs": places, "metrics": list(drawn.values())}


def _has_diagnostics(run: Run) -> bool:
    return any(row["split"] == page_data.DIAGNOSTICS for row in run.rows)


def _template(name: str) -> Any:
    """A template in which all that is not marked as safe is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("asrnn.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    found.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return found.get_template(name)


def _text(name: str) -> str:
    return (files("asrnn.reports") / "templates" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source


def _policy(*scripts: str, evaluates: bool) -> str:
    """Lets the browser fetch nothing and run these scripts only.

    Args:
      *scripts: their text.
      evaluates: whether they compile code of their own: parallel coordinates are drawn by shaders.
    """
    allowed = [
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in scripts
    ] + ["'unsafe-eval'"] * evaluates
    return (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline';"
        f" script-src {' '.join(allowed)}"
    )


def _last_written(workdirs: Sequence[Path]) -> str:
    newest = max((workdir / METRICS).stat().st_mtime for workdir in workdirs)
    return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d %H:%M UTC")
