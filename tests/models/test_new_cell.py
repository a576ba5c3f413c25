"""A cell in the table, and no other edit: it trains, alone and in a population over its option."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asrnn.config import check_config
from asrnn.dynamics import CELLS
from asrnn.errors import ConfigError
from asrnn.options import Use
from asrnn.sweeps import population
from asrnn.training.loop import train_and_evaluate
from tests.dynamics.oscillator import DAMPING, OSCILLATOR
from tests.sweeps.populations import assert_close, make_jobs, run
from tests.training.runs import rows, summary, tiny_config

OF_IT = {
    "model__cell": "oscillator",
    "training__steps": 2,
    "training__log_every": 1,
    "training__eval_every": 2,
}


@pytest.fixture(autouse=True)
def a_table_with_one_cell_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "oscillator", OSCILLATOR)


def test_its_option_is_a_field_of_the_config_which_other_cells_do_not_read() -> None:
    assert DAMPING.use is Use.RUN_TIME
    assert tiny_config().model.damping == DAMPING.default
    check_config(tiny_config(model__cell="oscillator", model__damping=0.3))
    with pytest.raises(ConfigError, match=r"config.model.damping=0.3 is not read by"):
        check_config(tiny_config(model__damping=0.3))
    with pytest.raises(ConfigError, match=r"config.model.damping must be finite and at least 0"):
        check_config(tiny_config(model__cell="oscillator", model__damping=-1.0))


@pytest.mark.slow
def test_it_trains_in_a_population_over_its_option_as_alone(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, [{"model__damping": value} for value in (0.0, 4.0)], **OF_IT)
    assert len(population.groups(jobs)) == 1
    run(jobs)
    assert [summary(job.workdir)["population"] for job in jobs] == [
        {"size": 2, "index": 0},
        {"size": 2, "index": 1},
    ]
    losses = [rows(job.workdir)[-1]["loss"] for job in jobs]
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]
    train_and_evaluate(jobs[1].config, tmp_path / "alone")
    assert_close(jobs[1].workdir, tmp_path / "alone")
