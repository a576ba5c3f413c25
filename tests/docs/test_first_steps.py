"""The notebook docs/first-steps.ipynb as a program: it runs, and shows what its text says."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from tests.docs.pages import ROOT


@pytest.mark.slow
@pytest.mark.ci
def test_the_notebook_runs_and_shows_what_it_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plt.switch_backend("Agg")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, Any] = {}
    for cell in json.loads((ROOT / "docs" / "first-steps.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "first-steps.ipynb", "exec"), names)
    plt.close("all")
    right = (names["predicted"] == names["labels"]).mean()
    assert right == pytest.approx(names["summary"]["test_accuracy"])
    assert right > 0.8
    values, norms = names["found"]["antisymmetric"]
    assert abs(abs(values) - 1).max() < 0.01
    assert 0.1 < norms[0] / norms[-1] < 10
    _, norms = names["found"]["vanilla"]
    assert norms[0] / norms[-1] < 1e-9
