"""The learning curve is drawn from whatever rows there are, without a word on stderr."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from asrnn.reports import learning_curve
from asrnn.reports.learning_curve import draw_learning_curve


def row(step: int, split: str, loss: float | None = 1.0, accuracy: float | None = 0.5) -> Any:
    return {"step": step, "split": split, "loss": loss, "accuracy": accuracy}


USUAL = [
    row(1, "train", 2.0, 0.1),
    row(2, "train", 1.0, 0.3),
    row(2, "validation", 1.5, 0.2),
    row(3, "train", 0.5, 0.6),
    row(4, "validation", 0.9, 0.4),
    row(4, "test", 0.8, 0.45),
]


def write(workdir: Path, rows: list[Any], tail: str = "") -> None:
    lines = "".join(json.dumps(one) + "\n" for one in rows)
    (workdir / "metrics.jsonl").write_text(lines + tail)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    saved: list[Figure] = []
    save = Figure.savefig

    def spy(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return saved


def lines(figure: Figure, axis: int) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in figure.axes[axis].get_lines()
    }


@pytest.mark.parametrize(
    ("rows", "tail"),
    [
        pytest.param(USUAL, "", id="usual"),
        pytest.param(USUAL, '{"step": 5, "spl', id="torn"),
        pytest.param([], "", id="none"),
        pytest.param(USUAL[:1], "", id="one"),
        pytest.param([row(1, "train", None, None)], "", id="only_nulls"),
        pytest.param([row(1, "train"), row(2, "train", None, None)], "", id="a_null"),
        pytest.param([one for one in USUAL if one["split"] == "train"], "", id="no_validation"),
        pytest.param([row(1, "train", 0.0, 1.0), row(2, "train", 0.0, 1.0)], "", id="perfect"),
        pytest.param([row(1, "train", 0.0), row(2, "train", 1.0)], "", id="a_zero"),
        pytest.param([row(1, "train", 1e38), row(2, "train", 1e-30)], "", id="huge"),
        pytest.param([{"step": 1, "split": "train"}], "", id="without_scores"),
    ],
)
def test_any_metrics_can_be_drawn(rows: list[Any], tail: str, tmp_path: Path) -> None:
    write(tmp_path, rows, tail)
    path = draw_learning_curve(tmp_path)
    assert path == tmp_path / "learning_curve.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 2 * image.height


def test_without_metrics_the_picture_is_empty(tmp_path: Path) -> None:
    assert draw_learning_curve(tmp_path).exists()


def test_every_part_has_its_curve_and_the_test_its_point(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    write(tmp_path, USUAL)
    draw_learning_curve(tmp_path)
    loss, accuracy = lines(drawn[0], 0), lines(drawn[0], 1)
    assert loss == {
        "train": ([1, 2, 3], [2.0, 1.0, 0.5]),
        "validation": ([2, 4], [1.5, 0.9]),
        "test 0.8": ([4], [0.8]),
    }
    assert accuracy["train"] == ([1, 2, 3], pytest.approx([10, 30, 60]))
    assert accuracy["test 45"] == ([4], [45.0])
    assert drawn[0].axes[0].get_yscale() == "log"


@pytest.mark.parametrize(("low", "high"), [(0.002, 2.3), (0.6, 1.9), (0.12, 2.3), (1e-9, 1e9)])
def test_the_labels_of_the_loss_do_not_overprint(
    low: float, high: float, tmp_path: Path, drawn: list[Figure]
) -> None:
    write(tmp_path, [row(1, "train", high), row(2, "train", low)])
    draw_learning_curve(tmp_path)
    axis = drawn[0].axes[0].yaxis
    labels = [*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)]
    boxes = sorted(
        (box.y0, box.y1)
        for label in labels
        if label.get_text()
        for box in [label.get_window_extent()]
    )
    assert 3 <= len(boxes) <= 10
    assert all(top < bottom for (_, top), (bottom, _) in pairwise(boxes))


def test_no_state_of_matplotlib_is_left_behind(tmp_path: Path) -> None:
    write(tmp_path, USUAL)
    draw_learning_curve(tmp_path)
    from matplotlib import _pylab_helpers

    assert not _pylab_helpers.Gcf.figs
    assert not hasattr(learning_curve, "plt")
