"""One HTML file about a folder of runs and sweeps: it loads nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from asrnn.errors import CheckpointError
from asrnn.files import replacing
from asrnn.reports import run_sections
from asrnn.reports.markup import Markup, element, join
from asrnn.reports.results_section import results_figures, results_tables
from asrnn.reports.runs import find_workdirs, read_run
from asrnn.reports.style import SCRIPT, STYLE
from asrnn.reports.sweep import find_sweeps, read_sweep
from asrnn.reports.sweep_section import sweep_section
from asrnn.runs.workdir import METRICS
from asrnn.sweeps.folder import TABLE


class Section(NamedTuple):
    """A part of the page with a heading."""

    id: str
    title: str
    content: Markup


def make_page(root: Path, results: Path | None = None) -> str:
    """The page as HTML; the same folder makes the same page.

    Args:
      root: all workdirs and folders of sweeps in and below it are shown.
      results: a folder with table*.json and figures to be shown too.

    Raises:
      ConfigError: if there is no run below the folder, or no folder of results.
      CheckpointError: if a file is damaged.
    """
    workdirs = find_workdirs(root)
    runs = [read_run(workdir, root) for workdir in workdirs]
    sweeps = [read_sweep(folder / TABLE, _name(folder, root)) for folder in find_sweeps(root)]
    tables = results_tables(results) if results else []
    figures = results_figures(results) if results else []
    sections = [
        Section("runs", "Runs", run_sections.runs_table(runs)),
        Section("curves", "Learning curves", run_sections.curves(runs)),
        Section("gradients", "Gradients through time", run_sections.gradients(runs)),
        Section("sweeps", "Sweeps", join([sweep_section(sweep) for sweep in sweeps])),
        Section("tables", "Tables", join(tables)),
        Section("figures", "Figures", join(figures)),
        Section("configs", "Configs and their differences", run_sections.differences(runs)),
        Section("environment", "Environment", run_sections.environments(runs)),
        Section("each", "Each run", run_sections.each_run(runs)),
    ]
    head = join(
        [
            element("h1", f"Report on {root.resolve().name}"),
            element("p", f"asrnn; newest row written {_last_written(workdirs)}", class_="soft"),
            run_sections.overview(runs),
        ]
    )
    title = f"{root.resolve().name}: {len(runs)} run{'s' * (len(runs) != 1)}"
    return _document(title, head, [section for section in sections if section.content])


def write_page(page: str, out: Path) -> None:
    """Writes the page.

    Raises:
      CheckpointError: if it cannot be written there.
    """
    try:
        with replacing(out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"the page cannot be written to {out} ({error.strerror}); give another --out"
        ) from None


def _document(title: str, head: Markup, sections: Sequence[Section]) -> str:
    """The whole file; the policy in it lets the browser fetch nothing and run one script."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline';"
        f" script-src 'sha256-{digest}'"
    )
    links = [
        element("li", element("a", section.title, href=f"#{section.id}")) for section in sections
    ]
    body = element(
        "body",
        element("header", head, element("nav", element("ul", *links), aria_label="Sections")),
        element("main", *map(_section, sections)),
        element(
            "footer",
            "Runs are ranked by validation; the test score is that of the checkpoint"
            " with the best validation. Click a heading to sort by its column.",
        ),
        element("script", Markup(SCRIPT)),
    )
    return join(
        [
            Markup("<!doctype html>\n"),
            element(
                "html",
                element(
                    "head",
                    element("meta", charset="utf-8"),
                    element("meta", http_equiv="Content-Security-Policy", content=policy),
                    element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                    element("meta", name="color-scheme", content="light dark"),
                    element("title", title),
                    element("style", Markup(STYLE)),
                ),
                body,
                lang="en",
            ),
            "\n",
        ]
    )


def _section(section: Section) -> Markup:
    return element(
        "section",
        element("h2", section.title, id=f"{section.id}-title"),
        section.content,
        id=section.id,
        aria_labelledby=f"{section.id}-title",
    )


def _name(folder: Path, root: Path) -> str:
    relative = folder.relative_to(root)
    return relative.as_posix() if relative.parts else folder.resolve().name


def _last_written(workdirs: Sequence[Path]) -> str:
    newest = max((workdir / METRICS).stat().st_mtime for workdir in workdirs)
    return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d %H:%M UTC")
