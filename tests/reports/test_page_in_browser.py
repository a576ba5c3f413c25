"""The page in a real browser: on a phone and on a wide screen, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from asrnn.reports.page import make_page, write_page
from tests.reports.browser import Browser, find_chromium
from tests.reports.workdirs import write_diverged, write_run, write_sweep

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH"),
]

LONG = "a-name-that-is-far-too-long-for-a-phone-" * 4


class Screen(NamedTuple):
    width: int
    height: int
    dark: bool


SCREENS = [Screen(w, h, dark) for w, h in ((390, 844), (1920, 1080)) for dark in (False, True)]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with enough runs and fields to overflow a phone."""
    base = tmp_path_factory.mktemp("browser")
    root = base / "runs"
    for i in range(14):
        overrides = {"seed": i, "model.step_size": 0.5 / (i + 1), "task.data_dir": f"/{LONG}{i}"}
        write_run(root / f"run-{i}", overrides)
    write_run(root / LONG)
    write_diverged(root / "lost")
    write_sweep(root / "sweep")
    write_page(make_page(root), base / "report.html")
    return (base / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_nothing_is_wider_than_the_screen(screen: Screen, page: str, browser: Browser) -> None:
    browser.open(page, *screen[:2], dark=screen.dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("innerWidth") == screen.width
    assert browser.evaluate("document.documentElement.scrollWidth") == screen.width
    # What is too wide scrolls in a box of its own.
    boxes = "[...document.querySelectorAll('.scroll')]"
    scrolling = browser.evaluate(f"{boxes}.filter(b => b.scrollWidth > b.clientWidth).length")
    assert scrolling > 0
    assert browser.evaluate(f"{boxes}.every(b => b.getBoundingClientRect().right <= innerWidth)")


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_a_picture_is_no_wider_than_its_section(
    screen: Screen, page: str, browser: Browser
) -> None:
    browser.open(page, *screen[:2], dark=screen.dark)
    right = "e.getBoundingClientRect().right"
    assert browser.evaluate("document.images.length") == 2
    assert browser.evaluate(f"[...document.images].map(e => {right}).every(x => x <= innerWidth)")
    assert browser.evaluate("[...document.images].every(e => !e.closest('.scroll'))")


def test_the_rows_of_the_runs_are_one_line_tall(page: str, browser: Browser) -> None:
    browser.open(page, 1200, 2000)
    heights = browser.evaluate(
        "[...document.querySelectorAll('#runs tbody tr')]"
        f".filter(r => r.cells[0].textContent != '{LONG}').map(r => r.offsetHeight)"
    )
    assert len(heights) == 15
    line = browser.evaluate("document.querySelector('#runs thead tr').offsetHeight")
    assert max(heights) <= line


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_the_page_can_be_seen(screen: Screen, page: str, browser: Browser, tmp_path: Path) -> None:
    browser.open(page, *screen[:2], dark=screen.dark)
    path = browser.screenshot(tmp_path / "screen.png")
    with Image.open(path) as image:
        assert image.size == screen[:2]
        colours = image.convert("L").getcolors() or []
    counts = {shade: count for count, shade in colours}
    paper = max(counts, key=lambda shade: counts[shade])
    assert paper < 40 if screen.dark else paper > 240
    other = sum(count for shade, count in counts.items() if abs(shade - paper) > 100)
    assert other > 0.01 * screen.width * screen.height  # the text


@pytest.mark.ci
def test_nothing_is_asked_for_but_the_file_and_nothing_is_complained_of(
    page: str, browser: Browser
) -> None:
    browser.open(page, 390, 844)
    first, *others = browser.requests()
    assert first == page
    assert all(address.startswith("data:image/png") for address in others)
    assert browser.complaints() == []
    assert browser.evaluate("[...document.images].every(i => i.naturalWidth > 900)")


def test_the_policy_of_the_page_stops_what_another_hand_puts_in(
    page: str, browser: Browser
) -> None:
    browser.open(page, 390, 844)
    browser.evaluate("document.body.innerHTML += '<img src=\"http://localhost:9/x.png\">'")
    browser.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'evil = 1'}))"
    )
    assert browser.evaluate("typeof evil") == "undefined"
    assert any("Content Security Policy" in text for text in browser.complaints())
    assert browser.refused() == ["csp"]  # the picture never left the browser


def test_all_sections_are_visible(page: str, browser: Browser) -> None:
    browser.open(page, 1920, 1080)
    visible = browser.evaluate(
        "[...document.querySelectorAll('section')].filter(s => s.checkVisibility()).map(s => s.id)"
    )
    assert visible == ["runs", "curves", "sweeps", "configs", "environment", "each"]
    assert browser.evaluate("document.querySelectorAll('#curves .line').length") > 30


FIRST_ROWS = "[...document.querySelectorAll('#runs tbody th')].slice(0, 3).map(h => h.textContent)"
LAST_ROW = "[...document.querySelectorAll('#runs tbody th')].at(-1).textContent"
CLICK = "document.querySelectorAll('#runs thead button')[{}].click()"


def test_a_click_on_a_heading_sorts(page: str, browser: Browser) -> None:
    browser.open(page, 1920, 1080)
    browser.evaluate(CLICK.format(0))
    assert browser.evaluate(FIRST_ROWS) == [LONG, "lost", "run-0"]
    browser.evaluate(CLICK.format(0))
    assert browser.evaluate(FIRST_ROWS) == ["run-13", "run-12", "run-11"]
    browser.evaluate(CLICK.format(2))  # by validation accuracy, the highest first
    assert browser.evaluate(LAST_ROW) == "lost"
    browser.evaluate(CLICK.format(2))
    assert browser.evaluate(FIRST_ROWS)[0] == "lost"
    browser.evaluate(CLICK.format(3))  # by test accuracy; what has none stays last
    browser.evaluate(CLICK.format(3))
    assert browser.evaluate(LAST_ROW) == "lost"
    sorted_by = browser.evaluate("document.querySelector('#runs th[aria-sort]').textContent")
    assert sorted_by == "test"


def test_a_link_opens_the_run_that_it_leads_to(page: str, browser: Browser) -> None:
    browser.open(f"{page}#run:run-3", 390, 844)
    assert browser.evaluate("document.getElementById('run:run-3').open")
    assert browser.evaluate(
        "Math.abs(document.getElementById('run:run-3').getBoundingClientRect().top) < 100"
    )
    assert not browser.evaluate("document.getElementById('run:run-4').open")


def test_without_scripts_all_is_there(page: str, browser: Browser) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, 390, 844)
        assert browser.evaluate("document.querySelectorAll('thead button').length") == 0
        assert browser.evaluate("document.querySelectorAll('#runs tbody tr').length") == 16
        assert browser.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
