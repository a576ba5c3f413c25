"""The page holds all that it should, nothing from outside, and nothing that is not escaped."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from asrnn.errors import CheckpointError
from asrnn.reports.page import make_page, write_page
from tests.reports.test_results import ROW
from tests.reports.workdirs import ROWS, SUMMARY, write_diverged, write_run, write_sweep

DIAGNOSED = [
    {"step": 0, "split": "diagnostics", "gradient_first": 0.1, "lyapunov": None},
    {"step": 20, "split": "diagnostics", "gradient_first": 0.2, "lyapunov": 0.01},
]


class Outline(HTMLParser):
    """Tags, attributes, text and the data of the charts; a tag closed out of turn is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("img", "meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.text += data

    def all(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything; the results are beside it."""
    base = tmp_path_factory.mktemp("page")
    root = base / "everything"
    write_run(root / "plain", {"optimizer.learning_rate": 0.25}, rows=ROWS + DIAGNOSED)
    write_run(root / "cifar", {"task.name": "cifar10"}, None)
    sweep = root / "sweep"
    for trial in ("aa", "bb"):
        write_run(sweep / trial, {"optimizer.learning_rate": 0.125})
    write_diverged(sweep / "cc")
    write_sweep(sweep)
    results = base / "results"
    results.mkdir()
    (results / "table1.json").write_text(json.dumps([ROW]))
    (results / "figure1.png").write_bytes(b"\x89PNG")
    return root


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return make_page(folder, folder.parent / "results")


@pytest.fixture(scope="module")
def page(html: str) -> Outline:
    return Outline(html)


def test_all_sections_are_there_and_linked(page: Outline) -> None:
    links = [link for link in page.all("href") if ":" not in link]
    assert links == [
        *("#runs", "#curves", "#gradients", "#sweeps", "#tables", "#figures", "#configs"),
        *("#environment", "#each"),
    ]
    assert page.tags["section"] == page.tags["h2"] == len(links)
    assert {link.removeprefix("#") for link in page.all("href")} <= set(page.all("id"))
    words = " ".join(page.text.split())
    assert "5 trials: 2 done, 1 diverged, 1 started, 1 waiting." in words
    assert "The best setting by validation accuracy has 90.00% (trial bb); the test part" in words
    assert "best validation accuracy, digits90.00%plain; its test accuracy: 88.00%" in words


def test_trials_are_apart_from_runs(page: Outline, html: str) -> None:
    names = [run["name"] for run in page.data["runs"]]
    assert names == ["cifar", "plain", "sweep/aa", "sweep/bb", "sweep/cc"]
    assert [group["runs"] for group in page.data["groups"]] == [[0], [1], [2, 3, 4]]
    runs = html[html.index("<caption>Runs, best") :].split("</table>")[0]
    assert runs.count("<tr") == 1 + 2 and "sweep/aa" not in runs
    assert html.count('href="#run:sweep/aa"') == 1  # from the table of trials to the run


def test_without_sweeps_and_results_there_are_no_empty_sections(tmp_path: Path) -> None:
    html = make_page(write_run(tmp_path / "r"))
    page = Outline(html)
    assert page.tags["section"] == 5
    assert "Sweeps" not in page.text and "unsafe-eval" not in html


HOSTILE = '"><script>alert(1)</script><img src=http://x onerror=alert(2)>&amp;'


def test_hostile_strings_stay_strings(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "_")
    summary = SUMMARY | dict.fromkeys(("status", "device", "backend", "data"), HOSTILE)
    summary["versions"] = {HOSTILE: HOSTILE}
    overrides = {"task.data_dir": HOSTILE, "model.cell": HOSTILE, "task.name": HOSTILE}
    rows = [*ROWS, *DIAGNOSED, {"step": 1, "split": HOSTILE, HOSTILE: 1.0}]
    write_run(tmp_path / "root" / name, overrides, summary, rows)
    write_run(tmp_path / "root" / "other")
    quoted = HOSTILE.replace('"', '""')
    write_sweep(
        tmp_path / "root" / f"s{name}",
        f'id,status,steps,rung,validation_accuracy,"{quoted}"\n'
        f'"{quoted}","{quoted}",1,0,0.5,"{quoted}"\n',
    )
    results = tmp_path / "results"
    results.mkdir()
    texts = dict.fromkeys(("method", "task", "hardware", "command"), HOSTILE)
    (results / f"table{name}.json").write_text(json.dumps([ROW | texts]))
    page = Outline(make_page(tmp_path / "root", results))
    assert page.tags["script"] == 3 and page.tags["img"] == 0
    assert not page.all("onerror")
    assert page.text.count(HOSTILE) > 20
    assert HOSTILE in page.data["runs"][0]["parts"]
    assert page.data["sweeps"][0]["ids"] == [HOSTILE]


def test_nothing_comes_from_outside(html: str, page: Outline) -> None:
    assert all(source.startswith("data:image/png;base64,") for source in page.all("src"))
    assert all(link.startswith("#") for link in page.all("href"))
    assert "url(" not in html.split("</style>")[0] and "@import" not in html.split("</style>")[0]
    [policy] = [value for value in page.all("content") if "default-src" in value]
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    assert policy.count("'sha256-") == 2
    assert len(html) < 3e6


def test_the_same_folder_makes_the_same_page(html: str, folder: Path) -> None:
    assert make_page(folder, folder.parent / "results") == html


def test_what_is_damaged_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    (write_run(tmp_path / "a") / "metrics.jsonl").write_text("junk\n")
    write_run(tmp_path / "b")
    write_run(tmp_path / "sweep" / "aa")
    write_sweep(tmp_path / "sweep", "")
    told: list[str] = []
    page = Outline(make_page(tmp_path, tell=told.append))
    assert [run["name"] for run in page.data["runs"]] == ["b", "sweep/aa"]
    assert ["a/metrics.jsonl" in told[0], "sweep.csv" in told[1]] == [True, True]
    assert all(line in page.text for line in told)


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"cannot write .*: .+; give another --out"):
        write_page("x", tmp_path / "file" / "page.html")
    write_page("x", tmp_path / "new" / "page.html")
    write_page("ε", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == "ε".encode()
