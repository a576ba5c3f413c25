"""A search whose trials do not all run to their end: rungs and pruning."""

import json

import pytest

from asrnn.errors import Interrupted
from asrnn.reports.closing_tables import sweep_table
from asrnn.sweeps import adaptive
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.adaptive import Scored, next_batch, propose, run_search
from asrnn.sweeps.folder import read_trials
from asrnn.sweeps.trials import outcome
from tests.sweeps.searches import RATE, STEP_SIZE, Climbing, points, rungs, search, sweep

optuna = pytest.importorskip("optuna", reason="needs the extra optuna")


def test_with_rungs_the_best_of_all_batches_so_far_go_on(tmp_path):
    engine = Climbing()
    result = run_search(rungs(tmp_path), search(12, 4), engine)
    assert sorted(engine.steps.values()).count(9) >= 4
    assert set(engine.steps.values()) == {3, 9}
    went_on = {id for id, steps in engine.steps.items() if steps == 9}
    assert {trial.id for _, group in result.ranking for trial in group} == went_on
    assert result.goals == engine.steps
    best = max(result.outcomes, key=lambda id: result.outcomes[id].score)
    assert result.ranking[0][1][0].id == best


@pytest.mark.parametrize(
    "limit", [6, *(pytest.param(k, marks=pytest.mark.slow) for k in (0, 3, 9))]
)
@pytest.mark.parametrize("how", ["rungs", "pruning"])
def test_wherever_such_a_search_is_stopped_it_goes_on_as_if_it_had_not_been(tmp_path, how, limit):
    def run(name, engine):
        if how == "rungs":
            return run_search(rungs(tmp_path / name), search(12, 4), engine)
        return run_search(sweep(tmp_path / name), search(12, 4)._replace(prune=True), engine)

    whole = run("whole", Climbing())
    with pytest.raises(Interrupted):
        run("cut", Climbing(limit))
    assert run("cut", Climbing()) == whole
    assert points(tmp_path / "cut") == points(tmp_path / "whole")


def test_a_trial_that_is_worse_than_most_before_is_pruned_at_its_first_validation(tmp_path):
    engine = Climbing()
    result = run_search(sweep(tmp_path), search(12, 4)._replace(prune=True), engine)
    first = [trial.id for trial in read_trials(tmp_path / "sweep")[:4]]
    assert [engine.steps[id] for id in first] == [9] * 4  # there is nothing to compare them with
    pruned = {id for id, found in result.outcomes.items() if found.status == "pruned"}
    assert pruned == {id for id, steps in engine.steps.items() if steps < 9} != set()
    assert {engine.steps[id] for id in pruned} == {1}
    assert f"12 trials, {len(pruned)} pruned\n" in sweep_table(result, "TRAIN")
    assert [score is None for score, _ in result.ranking] == [False] * (12 - len(pruned)) + [
        True
    ] * len(pruned)


def test_who_made_all_updates_is_never_pruned(tmp_path):
    run_search(sweep(tmp_path), search(2, 2), Climbing())
    job = sweep(tmp_path).job(read_trials(tmp_path / "sweep")[0])
    assert outcome(job._replace(limits={9: -2.0})).status == "done"
    assert outcome(job._replace(limits={8: -2.0})).status == "pruned"


def test_a_setting_goes_on_with_all_of_its_seeds_or_none(tmp_path):
    space = h.product(h.uniform(STEP_SIZE, 0.0, 0.9), h.seeds(2))
    engine = Climbing()
    result = run_search(rungs(tmp_path), search(12, 4, space), engine)
    steps = {}
    for trial in read_trials(tmp_path / "sweep"):
        steps.setdefault(trial.overrides[STEP_SIZE], set()).add(engine.steps[trial.id])
    assert {3} in steps.values()
    assert all(len(of_seeds) == 1 for of_seeds in steps.values())
    assert all(len(group) == 2 for _, group in result.ranking)


def test_what_diverged_is_worse_than_what_was_dropped(tmp_path, monkeypatch):
    told = []

    def noting(search, scored):
        told[:] = scored
        return next_batch(search, scored)

    class Diverging(Climbing):
        def run(self, job):
            if job.config.model.step_size > 0.5:
                self.steps[job.workdir.name] = 3
                job.workdir.mkdir(exist_ok=True)
                summary = {"status": "diverged", "steps": 1}
                (job.workdir / "summary.json").write_text(json.dumps(summary))
            else:
                super().run(job)

    monkeypatch.setattr(adaptive, "next_batch", noting)
    run_search(rungs(tmp_path), search(12, 4), Diverging())
    assert {one.dropped for one in told if one.choices["1/" + STEP_SIZE] > 0.5} == {0}
    assert {one.dropped for one in told if one.choices["1/" + STEP_SIZE] <= 0.5} == {3, None}


def test_a_proposal_sees_how_far_a_dropped_setting_came_before_its_score():
    def proposal(*dropped):
        scored = [
            Scored({"0/" + RATE: i / 12, "1/" + STEP_SIZE: i / 12}, float(i), stage)
            for i, stage in enumerate(dropped)
        ]
        return propose(search(), scored, [], 12)

    assert proposal(*[None] * 6, *[3] * 6) != proposal(*[None] * 12)
    assert proposal(*[3] * 11, 5) == proposal(*[3] * 12)  # the last has the best score anyway
    assert proposal(5, *[3] * 11) != proposal(*[3] * 12)
