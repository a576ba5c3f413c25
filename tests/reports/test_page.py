"""The page holds all that it should, nothing from outside, and nothing that is not escaped."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from asrnn.config import base_config, flatten
from asrnn.errors import CheckpointError
from asrnn.reports.markup import VOID
from asrnn.reports.page import make_page, write_page
from asrnn.reports.runs import written
from asrnn.reports.style import SCRIPT
from tests.reports.test_results_section import ROW
from tests.reports.workdirs import SUMMARY, write_diverged, write_run, write_sweep


class Outline(HTMLParser):
    """Tags, attributes and text; a tag closed out of turn is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data

    def all(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything; the results are beside it."""
    base = tmp_path_factory.mktemp("page")
    root = base / "everything"
    write_run(root / "plain", {"optimizer.learning_rate": 0.25})
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
    assert page.tags["section"] == page.tags["h2"] == 8
    links = [link for link in page.all("href") if ":" not in link]
    assert links == [
        *("#runs", "#curves", "#sweeps", "#tables", "#figures", "#configs"),
        *("#environment", "#each"),
    ]
    assert {link.removeprefix("#") for link in page.all("href")} <= set(page.all("id"))


def test_without_sweeps_and_results_there_are_no_empty_sections(tmp_path: Path) -> None:
    page = Outline(make_page(write_run(tmp_path / "r")))
    assert page.tags["section"] == 5
    assert "Sweeps" not in page.text and "settings" not in page.text


def test_the_overview_counts_runs_and_picks_by_validation(tmp_path: Path) -> None:
    write_run(tmp_path / "plain")
    write_run(tmp_path / "cifar", {"task.name": "cifar10"}, None)
    write_diverged(tmp_path / "lost")
    rows = [{"step": 40, "split": "validation", "loss": 1.0, "accuracy": 0.1}]
    write_run(tmp_path / "better_in_test", {}, SUMMARY | {"test_accuracy": 0.99}, rows)
    text = " ".join(Outline(make_page(tmp_path)).text.split())
    assert "runs42 done, 1 diverged, 1 unfinished" in text
    assert "best validation accuracy, cifar1090.00%cifar" in text
    assert "best validation accuracy, digits90.00%plain; its test accuracy: 88.00%" in text


def test_the_table_of_runs_has_a_line_for_each(html: str) -> None:
    table = html[html.index("<caption>Runs, best") :].split("</table>")[0]
    assert table.count("<tr>") == 1 + 5
    [line] = [line for line in table.split("<tr>") if "#run:plain" in line]
    cells = re.sub(r"<[^>]*>", "|", line)
    for text in ("plain", "done", "90.00%", "88.00%", "40", "digits", "antisymmetric", "322"):
        assert f"|{text}|" in cells
    for text in ("1m30s", "native", "cpu (2 cores)", "learning_rate 0.25"):
        assert f"|{text}|" in cells


def test_only_fields_that_differ_are_columns(html: str, page: Outline) -> None:
    table = html[html.index("<caption>Fields in which the configs differ") :]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', table.split("</thead>")[0])
    assert heads == ["run", "optimizer.learning_rate", "task.name"]
    fields = len(flatten(base_config().to_dict()))
    assert f"{fields - 2} fields that all runs share" in page.text


def test_each_run_has_its_whole_config(page: Outline) -> None:
    for name, value in flatten(base_config().to_dict()).items():
        shown = f"{name}{written(value)}"
        if name not in ("optimizer.learning_rate", "task.name", "training.steps"):
            assert page.text.count(shown) >= 5


def test_the_sweep_has_pictures_and_its_best_trials(page: Outline) -> None:
    assert "5 trials: 2 done, 1 diverged, 1 started, 1 waiting." in page.text
    assert (
        "The best setting by validation accuracy has 90.00% (trial bb); the test part" in page.text
    )
    descriptions = page.all("alt")
    assert len(descriptions) == 3 and descriptions[2] == "Figure: figure1"
    assert all("by validation accuracy" in description for description in descriptions[:2])


def test_of_many_trials_the_ten_best_come_first(tmp_path: Path) -> None:
    write_run(tmp_path / "r")
    lines = [f"t{i},done,1,0,0.{10 + i},{i}" for i in range(30)]
    write_sweep(tmp_path, "id,status,steps,rung,validation_accuracy,a\n" + "\n".join(lines))
    html = make_page(tmp_path)
    best = html[html.index("<caption>The first 10 trials") :].split("</table>")[0]
    assert re.findall(r'scope="row">(t\d+)<', best) == [f"t{i}" for i in range(29, 19, -1)]
    assert "<summary>All 30 trials" in html


def test_the_environment_groups_runs_by_versions_and_device(tmp_path: Path) -> None:
    on_gpu = SUMMARY | {"device": "gpu H200", "peak_memory_bytes": 2**30}
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", {}, SUMMARY | {"peak_memory_bytes": 2**20})
    write_run(tmp_path / "c", {}, on_gpu)
    write_run(tmp_path / "d", {}, None)
    html = make_page(tmp_path)
    table = html[html.index("<caption>Devices and versions") :].split("</table>")[0]
    lines = [re.sub(r"(<[^>]*>)+", "|", line) for line in table.split("<tr>")[2:]]
    assert lines == [
        "|cpu (2 cores)|native|3.11.7|0.10.2|2|300|",
        "|gpu H200|native|3.11.7|0.10.2|1|1,024|",
    ]


HOSTILE = '"><script>alert(1)</script><img src=http://x onerror=alert(2)>&amp;'


def test_hostile_strings_stay_strings(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "_")
    summary = SUMMARY | dict.fromkeys(("status", "device", "backend", "data"), HOSTILE)
    summary["versions"] = {HOSTILE: HOSTILE}
    overrides = {"task.data_dir": HOSTILE, "model.cell": HOSTILE, "task.name": HOSTILE}
    write_run(tmp_path / "root" / name, overrides, summary)
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
    assert page.tags["script"] == 1 and page.tags["img"] == 2
    assert not page.all("onerror")
    assert page.text.count(HOSTILE) > 20


def test_nothing_comes_from_outside(html: str, page: Outline) -> None:
    assert all(source.startswith("data:image/png;base64,") for source in page.all("src"))
    assert all(link.startswith("#") for link in page.all("href"))
    assert "url(" not in html and "@import" not in html
    [policy] = [value for value in page.all("content") if "default-src" in value]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_every_picture_is_described_and_every_heading_has_a_scope(html: str) -> None:
    assert all(re.search(r' alt="[^"]{10,}', image) for image in re.findall(r"<img[^>]*>", html))
    assert all(' scope="' in head for head in re.findall(r"<th[ >][^>]*>", html))
    charts = re.findall(r'<svg class="chart"[^>]*>', html)
    assert charts
    assert all('role="img" aria-label="' in chart for chart in charts)


def test_the_same_folder_makes_the_same_page(html: str, folder: Path) -> None:
    assert make_page(folder, folder.parent / "results") == html


def test_many_runs_are_folded_away_once_more(tmp_path: Path) -> None:
    for i in range(13):
        write_run(tmp_path / f"r{i}")
    assert "<summary>All 13 runs</summary>" in make_page(tmp_path)


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"cannot be written to .* \(.+\); give another --out"
    ):
        write_page("x", tmp_path / "missing" / "page.html")
    write_page("ε", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == "ε".encode()


def test_the_script_cannot_end_its_element_early() -> None:
    assert "</" not in SCRIPT
