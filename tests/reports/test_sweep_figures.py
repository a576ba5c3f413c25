"""The pictures of a sweep show every trial, each status in its way, the best one, never test."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from asrnn.reports.sweep import TrialTable, read_sweep
from asrnn.reports.sweep_figures import (
    BEST,
    INK,
    LOST,
    UNKNOWN,
    draw_sweep,
    parallel_coordinates,
    parameter_panels,
    sweep_pictures,
    varying_fields,
)
from tests.reports.workdirs import SWEEP_CSV, write_sweep

HEAD = "id,status,steps,rung,validation_accuracy"


@pytest.fixture
def sweep(tmp_path: Path) -> TrialTable:
    return read_sweep(write_sweep(tmp_path / "s"), "s")


def large_sweep(folder: Path, trials: int = 200) -> Path:
    draw = np.random.default_rng(0)
    lines = [HEAD + ",optimizer.name,optimizer.learning_rate,optimizer.momentum,seed"]
    for i in range(trials):
        name = ("sgd", "adagrad")[i % 2]
        status = ("done", "done", "done", "started", "waiting", "diverged")[i % 6]
        score = "" if status in ("waiting", "diverged") else f"{draw.uniform(0.5, 1):.4f}"
        momentum = "0.9" if name == "sgd" else ""
        rate = f"{10 ** draw.uniform(-3, 0):.5g}"
        lines.append(f"t{i},{status},10,0,{score},{name},{rate},{momentum},{i % 3}")
    return write_sweep(folder, "\n".join(lines) + "\n")


def trial_lines(figure: object) -> list[object]:
    """The lines of trials, which go along at least one axis; scales and ticks do not."""
    axes = figure.axes[0]  # type: ignore[attr-defined]
    return [line for line in axes.get_lines() if list(line.get_xdata())[:2] == [0, 1]]


def test_every_trial_is_a_line_in_the_style_of_its_status(sweep: TrialTable) -> None:
    lines = trial_lines(parallel_coordinates(sweep))
    styles = sorted((line.get_linestyle(), len(line.get_ydata())) for line in lines)  # type: ignore[attr-defined]
    # Solid: aa and bb; dashed: dd to its accuracy and ee that ends before; dotted: cc.
    assert styles == [("-", 4), ("-", 4), ("--", 3), ("--", 4), (":", 4)]
    colours = [to_hex(line.get_color()) for line in lines]  # type: ignore[attr-defined]
    assert colours.count(LOST) == colours.count(BEST) == colours.count(UNKNOWN) == 1


def test_the_last_axis_is_the_accuracy_and_below_it_what_diverged(sweep: TrialTable) -> None:
    lines = trial_lines(parallel_coordinates(sweep))
    ends = [line.get_ydata()[-1] for line in lines if len(line.get_ydata()) == 4]  # type: ignore[attr-defined]
    assert sorted(ends) == pytest.approx([-0.1, 0, 2 / 3, 1])


def test_parallel_axes_carry_their_values(sweep: TrialTable) -> None:
    axes = parallel_coordinates(sweep).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert {"sgd", "adagrad", "0.001", "1", "not set", "diverged", "log", "60 %"} <= set(texts)
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "validation\naccuracy"


def test_a_panel_shows_accuracy_against_value(sweep: TrialTable) -> None:
    panels = parameter_panels(sweep).axes
    assert [panel.get_xlabel() for panel in panels] == [
        *("optimizer.name", "optimizer.learning_rate (log)", "model.step_size (log)")
    ]
    for panel in panels:
        done, unfinished, lost, best, _ = panel.get_lines()
        assert done.get_marker() == "o" and list(done.get_ydata()) == [80, 90]
        assert unfinished.get_markerfacecolor() == "none" and list(unfinished.get_ydata()) == [60]
        assert lost.get_marker() == "x" and lost.get_ydata()[0] < 60
        assert best.get_marker() == "*" and list(best.get_ydata()) == [90]
        assert best.get_xdata()[0] == done.get_xdata()[1]


def test_axes_are_logarithmic_where_the_space_is(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    said = {"optimizer.learning_rate": "linear", "model.step_size": "log"}
    (tmp_path / "scales.json").write_text(json.dumps(said))
    labels = [panel.get_xlabel() for panel in parameter_panels(read_sweep(path, "s")).axes]
    assert labels[1:] == ["optimizer.learning_rate", "model.step_size (log)"]


def test_the_titles_say_validation_and_not_test(sweep: TrialTable) -> None:
    expected = "5 trials by validation accuracy (not test); best 90.00% (trial bb)"
    assert parallel_coordinates(sweep).axes[0].get_title("left") == expected
    assert parameter_panels(sweep).get_suptitle() == expected


def test_no_line_leaves_its_axes(tmp_path: Path) -> None:
    figure = parallel_coordinates(read_sweep(large_sweep(tmp_path / "s"), "s"))
    lines = trial_lines(figure)
    assert len(lines) == 200
    for line in lines:
        assert all(0 <= place <= 1 for place in line.get_ydata()[:4])  # type: ignore[attr-defined]


def test_where_nothing_diverged_there_is_no_place_for_it(tmp_path: Path) -> None:
    table = f"{HEAD},rate\na,done,1,0,0.9,1\nb,started,1,0,0.1,2\nc,waiting,0,0,,3\n"
    sweep = read_sweep(write_sweep(tmp_path, table), "s")
    axes = parallel_coordinates(sweep).axes[0]
    assert "diverged" not in [text.get_text() for text in axes.texts]
    panel = parameter_panels(sweep).axes[0]
    assert [list(line.get_ydata()) for line in panel.get_lines()] == [[90], [10], [90]]


def test_the_key_gives_no_colour_to_what_is_coloured_by_accuracy(sweep: TrialTable) -> None:
    key = parallel_coordinates(sweep).legends[0]
    colours = {
        text.get_text(): to_hex(line.get_color())
        for text, line in zip(key.get_texts(), key.get_lines(), strict=True)
    }
    assert colours == {
        "done (2)": INK,
        "not finished (1)": INK,
        "no score yet (1)": UNKNOWN,
        "diverged (1)": LOST,
        "best": BEST,
    }


def test_all_seeds_of_the_best_setting_are_marked_and_no_better_trial_beside_it(
    tmp_path: Path,
) -> None:
    lines = "a,done,1,0,0.9,1,0\nb,done,1,0,0.1,1,1\nc,done,1,0,0.6,2,0\nd,done,1,0,0.7,2,1\n"
    sweep = read_sweep(write_sweep(tmp_path, f"{HEAD},rate,seed\n{lines}"), "s")
    colours = [to_hex(line.get_color()) for line in trial_lines(parallel_coordinates(sweep))]  # type: ignore[attr-defined]
    assert colours.count(BEST) == 2
    stars = [
        line for line in parameter_panels(sweep).axes[0].get_lines() if line.get_marker() == "*"
    ]
    assert list(stars[0].get_ydata()) == [60, 70]
    said = "best 65.00% (mean of 2 seeds, first trial c)"
    assert said in parameter_panels(sweep).get_suptitle()
    assert all(said in picture.description for picture in sweep_pictures(sweep))


def test_equal_values_are_moved_apart_the_same_way_each_time(tmp_path: Path) -> None:
    sweep = read_sweep(large_sweep(tmp_path / "s"), "s")
    one, other = (list(parameter_panels(sweep).axes[0].get_lines()[0].get_xdata()) for _ in "ab")
    assert one == other and len(set(one)) == len(one) == 101


def test_fields_with_one_value_are_left_out_unless_there_are_no_others(tmp_path: Path) -> None:
    table = HEAD + ",a.x,b.y\nt,done,1,0,0.5,1,2\nu,done,1,0,0.6,1,3\n"
    assert varying_fields(read_sweep(write_sweep(tmp_path, table), "s")) == ["b.y"]
    alone = HEAD + ",a.x,b.y\nt,done,1,0,0.5,1,2\n"
    assert varying_fields(read_sweep(write_sweep(tmp_path, alone), "s")) == ["a.x", "b.y"]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(SWEEP_CSV, id="usual"),
        pytest.param(HEAD + ",a.x\nt,done,1,0,0.5,3\n", id="one_trial"),
        pytest.param(HEAD + ",a.x\nt,waiting,0,0,,3\nu,waiting,0,0,,4\n", id="all_waiting"),
        pytest.param(HEAD + ",a.x\nt,diverged,3,0,,3\nu,diverged,3,0,,\n", id="all_diverged"),
        pytest.param(HEAD + ",a.x\nt,done,1,0,1,$x^2$\nu,done,1,0,1,a_b\n", id="markup_in_names"),
        pytest.param(
            HEAD + ",a\n" + "".join(f"t{i},done,1,0,0.{i},a long name {i}\n" for i in range(9)),
            id="many_names",
        ),
    ],
)
def test_any_sweep_can_be_drawn(table: str, tmp_path: Path) -> None:
    paths = draw_sweep(write_sweep(tmp_path, table))
    assert paths == [tmp_path / "parallel_coordinates.png", tmp_path / "parameters.png"]
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG" and image.width >= 900


@pytest.mark.parametrize("table", [HEAD + "\nt,done,1,0,0.5\n", HEAD + ",a.x\n"])
def test_without_a_field_or_a_trial_there_is_no_picture(table: str, tmp_path: Path) -> None:
    assert draw_sweep(write_sweep(tmp_path, table)) == []


def test_a_sweep_makes_the_same_bytes_twice(sweep: TrialTable) -> None:
    assert sweep_pictures(sweep) == sweep_pictures(sweep)


def test_a_large_sweep_can_be_drawn_and_leaves_no_figure_behind(tmp_path: Path) -> None:
    from matplotlib import _pylab_helpers

    sweep = read_sweep(large_sweep(tmp_path / "s"), "s")
    one = sweep_pictures(sweep)
    assert "200 trials of s, by validation accuracy" in one[0].description
    with Image.open(io.BytesIO(one[0].png)) as image:
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 100
    assert not _pylab_helpers.Gcf.figs
