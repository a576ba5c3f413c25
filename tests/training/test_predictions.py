"""Which classes are mixed up, and how far numbers are off, over the targets that count."""

from __future__ import annotations

import numpy as np
import pytest

from asrnn.training.evaluation import evaluate_workdir, part_of
from asrnn.training.predictions import (
    Predictions,
    class_accuracy,
    confusion_matrix,
    details,
    details_text,
    judge_examples,
)
from asrnn.training.saved import read_trained
from tests.training.test_golden import GOLDEN

COUNTS = np.array([True, True, True, False])


def classes(number: int = 3) -> Predictions:
    predictions, targets = np.array([0, 1, 1, 0]), np.array([0, 1, 0, -1])
    return Predictions(predictions, targets, COUNTS, np.zeros((4, number), np.float32))


def test_a_confusion_matrix_counts_targets_by_row_and_predictions_by_column() -> None:
    matrix = confusion_matrix(classes())
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert class_accuracy(matrix) == [0.5, 1.0, None]
    assert details_text(details(classes())).splitlines()[1:] == [
        "class  accuracy   0   1   2",
        "    0     50.0%   1   1   0",
        "    1    100.0%   0   1   0",
        "    2         -   0   0   0",
    ]
    many = details_text(details(classes(21)))
    assert many == "lowest accuracies of 21 classes: 0 50.0%, 1 100.0%; --json has all"


def test_numbers_have_errors_and_what_is_explained() -> None:
    predictions = np.array([[1.0], [2.0], [4.0], [np.nan]], np.float32)
    found = Predictions(predictions, np.array([1.0, 2.0, 3.0, np.nan]), COUNTS, None)
    said = details(found)
    assert said["rmse"] == [pytest.approx(np.sqrt(1 / 3))]
    assert said["bias"] == [pytest.approx(1 / 3)]
    assert said["r2"] == [pytest.approx(0.5)]
    assert details_text(said).startswith("number 0: root mean squared error 0.5774, bias 0.3333")
    constant = found._replace(targets=np.ones(4))
    assert details(constant)["r2"] == [None]


def test_every_example_is_predicted_once_and_as_it_is_evaluated() -> None:
    workdir = GOLDEN / "antisymmetric"
    trained = read_trained(workdir)
    done: list[int] = []
    result, found = judge_examples(trained, part_of(trained, "test"), done.append)
    evaluated = evaluate_workdir(workdir, "test")
    assert result == pytest.approx(evaluated, rel=1e-6)
    assert sum(done) == evaluated["examples"]
    assert found.predictions.shape == found.counts.shape == (evaluated["examples"],)
    assert found.probabilities is not None
    assert np.allclose(found.probabilities.sum(1), 1, atol=1e-5)
    right = confusion_matrix(found).trace() / evaluated["examples"]
    assert right == pytest.approx(evaluated["accuracy"])
