"""The page in a real browser: on a phone and on a wide screen, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from asrnn.reports.page import make_page, write_page
from tests.reports.browser import Browser, find_chromium
from tests.reports.test_page import DIAGNOSED
from tests.reports.workdirs import ROWS, write_diverged, write_run, write_sweep

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH"),
]

LONG = "a-name-that-is-far-too-long-for-a-phone-" * 4
BOLD = "<b>bold<img src=x onerror=evil=1>"


class Screen(NamedTuple):
    width: int
    height: int
    dark: bool


SCREENS = [Screen(w, h, dark) for w, h in ((390, 844), (1280, 900)) for dark in (False, True)]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with enough runs and fields to overflow a phone."""
    base = tmp_path_factory.mktemp("browser")
    root = base / "runs"
    for i in range(6):
        overrides = {"seed": i % 3, "model.step_size": 0.5 / (i // 3 + 1)}
        write_run(root / f"run-{i}", overrides, rows=ROWS + DIAGNOSED)
    write_run(root / LONG, {"model.diffusion": 0.5, "task.data_dir": LONG})
    write_run(root / BOLD, {"model.diffusion": 0.25})
    write_diverged(root / "lost", {"model.diffusion": 0.125})
    write_sweep(root / "sweep")
    write_run(root / "sweep" / "aa")
    write_page(make_page(root), base / "report.html")
    return (base / "report.html").as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def show(browser: Browser, address: str, screen: Screen = Screen(1280, 900, False)) -> None:  # noqa: B008
    browser.open(address, *screen[:2], dark=screen.dark)
    browser.wait_for("document.documentElement.dataset.ready == 'true'")


NAMES = "[...document.querySelectorAll('#curves .legendtext')].map(t => t.textContent)"


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_nothing_is_wider_than_the_screen_and_all_can_be_seen(
    screen: Screen, page: str, chromium: Browser, tmp_path: Path
) -> None:
    show(chromium, page, screen)
    chromium.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.wait_for("!document.querySelector('.charts:not(.filled)')")
    assert chromium.evaluate("document.documentElement.scrollWidth") == screen.width
    plots = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => !p.closest('.wide'))"
    right = f"Math.max(...{plots}.map(p => p.querySelector('svg').getBoundingClientRect().right))"
    assert chromium.evaluate(right) <= screen.width
    with Image.open(chromium.screenshot(tmp_path / "screen.png")) as image:
        colours = image.convert("L").getcolors() or []
    counts = {shade: count for count, shade in colours}
    paper = max(counts, key=lambda shade: counts[shade])
    assert paper < 40 if screen.dark else paper > 240


@pytest.mark.ci
def test_nothing_is_asked_for_and_nothing_is_sent(page: str, chromium: Browser) -> None:
    show(chromium, page)
    assert chromium.requests()[0] == page
    assert all(address.startswith(("data:", "blob:")) for address in chromium.requests()[1:])
    assert [line for line in chromium.complaints() if "GL Driver Message" not in line] == []
    buttons = "[...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)"
    assert not any("Share" in title for title in chromium.evaluate(buttons))
    chromium.evaluate("document.body.innerHTML += '<img src=\"http://localhost:9/x.png\">'")
    chromium.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'evil = 1'}))"
    )
    assert chromium.evaluate("typeof evil") == "undefined"
    assert chromium.refused() == ["csp"]  # the picture never left the browser


def test_curves_have_means_of_seeds_metrics_and_axes(page: str, chromium: Browser) -> None:
    show(chromium, page)
    assert "run-0 and 2 more seeds" in chromium.evaluate(NAMES)
    assert BOLD in chromium.evaluate(NAMES)  # as it is written, not as HTML
    choose = (
        "((name, value) => {{ const s = [...document.querySelectorAll('#curves label')]"
        ".find(l => l.textContent.startsWith(name)).querySelector('select, input');"
        " s.type == 'checkbox' ? s.checked = value : s.value = value;"
        " s.dispatchEvent(new Event(s.type == 'range' ? 'input' : 'change')) }})('{}', {})"
    )
    plot = "document.querySelector('#curves .js-plotly-plot')"
    for what, value in (("metric", "'loss'"), ("over", "'examples'"), ("smoothing", "0.5")):
        chromium.evaluate(choose.format(what, value))
    assert chromium.evaluate(f"{plot}.layout.yaxis.title.text") == "cross-entropy (nats)"
    assert chromium.evaluate(f"{plot}._fullLayout.yaxis.type") == "log"
    ticks = f"[...{plot}.querySelectorAll('.ytick text')].map(t => t.textContent)"
    assert {"0.5", "1", "2"} <= set(chromium.evaluate(ticks))
    xs = f"Math.max(...{plot}.data.flatMap(t => t.x))"
    assert chromium.evaluate(xs) == 40 * 128
    chromium.evaluate(choose.format("mean of seeds", "false"))
    assert "run-5" in chromium.evaluate(NAMES)


def test_a_filter_and_a_heading_choose_and_sort(page: str, chromium: Browser) -> None:
    show(chromium, page)
    chromium.evaluate(
        "((box) => { box.value = 'run- -run-4'; box.dispatchEvent(new Event('input')) })"
        "(document.querySelector('#runs .filter'))"
    )
    rows = (
        "[...document.querySelectorAll('#runs .filter')[0].closest('.tools').nextElementSibling"
        ".querySelectorAll('tbody tr')].filter(r => !r.hidden).map(r => r.dataset.name)"
    )
    assert sorted(chromium.evaluate(rows)) == ["run-0", "run-1", "run-2", "run-3", "run-5"]
    assert chromium.evaluate("document.querySelector('#runs .count').textContent") == "5 of 9"
    chromium.wait_for(f"{NAMES}.length == 2")  # the chart follows
    for _ in range(2):
        chromium.evaluate("document.querySelector('#runs thead button').click()")
    assert chromium.evaluate(rows)[0] == "run-5"


def test_a_brush_chooses_trials_and_a_trial_leads_to_its_run(page: str, chromium: Browser) -> None:
    show(chromium, page)
    chromium.evaluate(
        "Plotly.restyle(document.querySelector('#sweeps .js-plotly-plot'),"
        " 'dimensions[3].constraintrange', [[0.05, 0.8]])"
    )
    rows = "[...document.querySelectorAll('#sweeps tbody tr')].filter(r => !r.hidden)"
    chromium.wait_for(f"{rows}.length == 2")
    chromium.evaluate(f"{rows}.find(r => r.querySelector('a')).querySelector('a').click()")
    chromium.wait_for("document.getElementById('run:sweep/aa').open")
    chromium.wait_for("document.getElementById('run:sweep/aa').querySelector('.js-plotly-plot')")
    code = "document.getElementById('run:sweep/aa').querySelector('code').textContent"
    assert chromium.evaluate(code).endswith("/sweep/aa")


def test_without_scripts_all_tables_are_there(page: str, chromium: Browser) -> None:
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page, 390, 844)
        assert chromium.evaluate("document.querySelectorAll('#runs tbody tr').length") == 9 + 2
        assert chromium.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
