"""A search's proposals follow from the space, the seed and the scores, and from nothing else."""

import json
import sys

import pytest

from asrnn.config import base_config
from asrnn.errors import ConfigError, Interrupted, WorkdirInUse
from asrnn.reports.closing_tables import sweep_table
from asrnn.runs.workdir import locked
from asrnn.sweeps import adaptive
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.adaptive import (
    PROPOSALS,
    Scored,
    Search,
    first_trials,
    next_batch,
    propose,
    run_search,
    settings,
)
from asrnn.sweeps.folder import read_trials
from asrnn.sweeps.shard import Shard
from asrnn.sweeps.sweep import Sweep
from asrnn.sweeps.trials import outcome

optuna = pytest.importorskip("optuna", reason="needs the extra optuna")

RATE, STEP_SIZE = "optimizer.learning_rate", "model.step_size"
BOX = h.product(h.log_uniform(RATE, 1e-3, 1.0), h.uniform(STEP_SIZE, 0.0, 1.0))


class Fixed:
    """Chooses what it is told to; what it was asked stays in `asked`."""

    def __init__(self, **choices):
        self.choices = {name.replace("_", "/"): value for name, value in choices.items()}
        self.asked = {}

    def suggest_float(self, name, low, high):
        self.asked[name] = (low, high)
        return self.choices[name]

    def suggest_categorical(self, name, choices):
        self.asked[name] = list(choices)
        return self.choices[name]


class Engine:
    """Finishes jobs at once; the nearer the step size is to 0.3, the better they are.

    Args:
      limit: jobs until a signal comes.
    """

    def __init__(self, limit=1000):
        self.calls = []
        self.limit = limit

    def __call__(self, jobs, watch):
        left = [job for job in jobs if not outcome(job).finished]
        self.calls.append(len(left))
        for job in left:
            if self.limit == 0:
                raise Interrupted("stopped")
            self.limit -= 1
            finish(job)


def finish(job):
    diverged = job.config.model.step_size > 0.9
    accuracy = 1 - abs(job.config.model.step_size - 0.3)
    row = {"step": 9, "split": "validation", "loss": 0.0, "accuracy": accuracy}
    job.workdir.mkdir()
    (job.workdir / "metrics.jsonl").write_text("" if diverged else json.dumps(row) + "\n")
    summary = {"status": "diverged" if diverged else "done", "steps": 9}
    (job.workdir / "summary.json").write_text(json.dumps(summary))


def search(settings=10, batch=4, space=BOX, seed=0):
    return Search(space, settings, batch, seed)


def sweep(folder, **changes):
    config = base_config()
    config.task.validation_size = 10
    config.training.steps = 9
    return Sweep(config, [], folder / "sweep", **changes)


def points(folder):
    return [trial.overrides for trial in read_trials(folder / "sweep")]


# ---- a space as choices


def test_a_sweep_is_a_choice_of_a_value():
    chooser = Fixed(a=1)
    assert settings(h.sweep("a", [3, 5]), chooser, 0) == [{"a": 5}]
    assert chooser.asked == {"a": [0, 1]}


def test_a_range_is_a_choice_between_its_ends_to_six_digits():
    log, linear = h.log_uniform("a", 0.01, 1.0), h.uniform("a", 1.0, 2.0)
    assert settings(log, Fixed(a=0.5), 0) == [{"a": 0.1}]
    assert settings(linear, Fixed(a=1 / 3), 0) == [{"a": 1.33333}]


def test_a_quasi_random_box_is_that_of_its_ranges():
    box = h.quasi_random(4, h.uniform("a", 0.0, 1.0), h.uniform("b", 0.0, 2.0))
    assert settings(box, Fixed(**{"0_a": 0.25, "1_b": 0.5}), 0) == [{"a": 0.25, "b": 1.0}]


def test_a_chain_is_a_choice_of_a_part_and_within_it():
    chain = h.chain(h.sweep("a", [1, 2]), h.sweep("a", [3, 4]))
    chooser = Fixed(**{"part": 1, "1_a": 0})
    assert settings(chain, chooser, 0) == [{"a": 3}]
    assert set(chooser.asked) == {"part", "1/a"}


def test_a_zip_is_a_choice_of_a_row():
    rows = h.zip(h.sweep("a", [1, 2]), h.sweep("b", "xy"))
    assert settings(rows, Fixed(row=1), 0) == [{"a": 2, "b": "y"}]


def test_seeds_are_not_chosen_but_all_run():
    space = h.product(h.sweep("a", [3, 5]), h.seeds(2))
    assert settings(space, Fixed(**{"0_a": 1}), 0) == [{"a": 5, "seed": 0}, {"a": 5, "seed": 1}]


def test_what_is_fixed_is_not_asked_for():
    chooser = Fixed()
    assert settings(h.product(h.fixed("a", 1), h.fixed("b", 2)), chooser, 0) == [{"a": 1, "b": 2}]
    assert not chooser.asked


def test_two_parts_that_set_one_field_are_refused():
    with pytest.raises(ConfigError, match="two parts of the space set a"):
        settings(h.product(h.fixed("a", 1), h.fixed("a", 2)), Fixed(), 0)


# ---- proposals


def test_a_proposal_follows_from_the_scores_and_the_seed_alone():
    scored = [Scored({"0/" + RATE: i / 12, "1/" + STEP_SIZE: i / 12}, float(i)) for i in range(12)]
    one, again = (propose(search(), scored, [], 12) for _ in range(2))
    assert one == again
    assert one != propose(search(), [Scored(c, -score) for c, score, _ in scored], [], 12)
    assert one != propose(search(seed=1), scored, [], 12)
    assert one != propose(search(), scored, [], 13)


def test_a_proposal_keeps_away_from_those_without_a_score():
    scored = [Scored({"0/" + RATE: 0.5, "1/" + STEP_SIZE: i / 12}, float(i)) for i in range(12)]
    first = propose(search(), scored, [], 12)
    assert propose(search(), scored, [first] * 5, 12) != first


def test_scores_lead_to_better_settings():
    space = h.uniform(STEP_SIZE, 0.0, 1.0)
    scored = []
    for _ in range(8):
        batch = next_batch(search(40, 5, space), scored)
        scored += [Scored(choices, -abs(choices[STEP_SIZE] - 0.3)) for choices in batch]
    errors = [-one.score for one in scored]
    assert sum(errors[-10:]) < sum(errors[:10]) / 2


@pytest.mark.parametrize("whole_batches", [0, 3])
def test_a_batch_is_cut_by_the_number_of_settings_and_taken_up_later(whole_batches):
    scored = []
    for _ in range(whole_batches):
        batch = next_batch(search(99), scored)
        scored += [Scored(choices, choices["1/" + STEP_SIZE]) for choices in batch]
    whole = next_batch(search(99), scored)
    cut = next_batch(search(len(scored) + 3), scored)
    later = next_batch(search(99), scored + [Scored(choices, 0.5) for choices in cut])
    assert (len(whole), len(cut)) == (4, 3)
    assert cut + later == whole


def test_the_first_trials_depend_on_no_number_of_settings():
    assert first_trials(search(1)) == first_trials(search(100))
    assert len(first_trials(search())) == 4


# ---- a whole search


def test_a_search_runs_its_settings_batch_by_batch(tmp_path):
    engine = Engine()
    result = run_search(sweep(tmp_path), search(), engine)
    assert engine.calls == [4, 4, 2]
    assert len(result.outcomes) == 10
    best = [outcome.score for outcome in result.outcomes.values()]
    assert result.ranking[0][0] == max(score for score in best if score is not None)


@pytest.mark.parametrize(
    "limit", [6, *(pytest.param(k, marks=pytest.mark.slow) for k in (0, 3, 9))]
)
def test_wherever_it_is_stopped_it_goes_on_as_if_it_had_not_been(tmp_path, limit):
    run_search(sweep(tmp_path / "whole"), search(), Engine())
    with pytest.raises(Interrupted):
        run_search(sweep(tmp_path / "cut"), search(), Engine(limit))
    engine = Engine()
    run_search(sweep(tmp_path / "cut"), search(), engine)
    assert points(tmp_path / "cut") == points(tmp_path / "whole")
    assert sum(engine.calls) == 10 - limit


def test_what_was_proposed_but_not_yet_listed_when_it_was_killed_is_kept(tmp_path):
    run_search(sweep(tmp_path / "whole"), search(8), Engine())
    with pytest.raises(Interrupted):
        run_search(sweep(tmp_path / "cut"), search(8), Engine(0))
    (tmp_path / "cut" / "sweep" / "trials.jsonl").unlink()
    run_search(sweep(tmp_path / "cut"), search(8), Engine())
    assert points(tmp_path / "cut") == points(tmp_path / "whole")


def test_a_search_can_be_carried_further(tmp_path):
    run_search(sweep(tmp_path / "whole"), search(11), Engine())
    for count in (1, 6, 11):
        run_search(sweep(tmp_path / "steps"), search(count), Engine())
    assert points(tmp_path / "steps") == points(tmp_path / "whole")


def test_a_setting_is_scored_by_the_mean_of_its_seeds_and_a_diverged_one_as_the_worst(
    tmp_path, monkeypatch
):
    told = []

    def noting(search, scored):
        told.extend(one.score for one in scored)
        return next_batch(search, scored)

    monkeypatch.setattr(adaptive, "next_batch", noting)
    space = h.product(h.sweep(STEP_SIZE, [0.3, 0.95]), h.seeds(2))
    result = run_search(sweep(tmp_path), search(12, 4, space), Engine())
    assert len(result.outcomes) == 4  # equal settings are run once
    assert [score for score, _ in result.ranking] == [1.0, None]
    assert set(told) == {1.0, 0.0}


def test_two_choices_that_come_to_one_run_have_its_score(tmp_path, monkeypatch):
    told = []

    def noting(search, scored):
        told.extend(scored)
        return next_batch(search, scored)

    monkeypatch.setattr(adaptive, "next_batch", noting)
    space = h.product(h.sweep(RATE, [1, 1.0]), h.fixed(STEP_SIZE, 0.3))
    result = run_search(sweep(tmp_path), search(12, 4, space), Engine())
    assert len(result.outcomes) == 1
    assert {one.choices["0/" + RATE] for one in told} == {0, 1}
    assert {one.score for one in told} == {1.0}


def test_another_space_in_the_same_folder_is_refused(tmp_path):
    run_search(sweep(tmp_path), search(), Engine())
    for space in (h.uniform(STEP_SIZE, 0.0, 1.0), h.product(BOX, h.sweep("seed", [7]))):
        with pytest.raises(ConfigError, match="give another --workdir"):
            run_search(sweep(tmp_path), search(space=space), Engine())


def test_an_unusable_trial_is_refused_before_anything_is_kept(tmp_path):
    with pytest.raises(ConfigError, match="unknown field"):
        run_search(sweep(tmp_path), search(space=h.uniform("model.stepsize", 0.0, 1.0)), Engine())
    assert not (tmp_path / "sweep" / PROPOSALS).exists()


def test_what_a_search_cannot_be_combined_with_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--search cannot be combined with --shard"):
        run_search(sweep(tmp_path, shard=Shard(0, 2)), search(), Engine())
    with pytest.raises(ConfigError, match="--prune cannot be combined with --rungs"):
        run_search(sweep(tmp_path, rungs=(3,)), search()._replace(prune=True), Engine())


# ---- trials that do not run to their end


def rungs(folder):
    """Trials of 9 updates, validated after each; a third of the settings goes on after 3."""
    return sweep(folder, rungs=(3,), reduction=3.0)


class Climbing(Engine):
    """Engine whose runs get better by the step, and resume; `steps` are those of each job."""

    def __init__(self, limit=1000):
        super().__init__(limit)
        self.steps = {}

    def __call__(self, jobs, watch):
        for job in jobs:
            if outcome(job).finished:
                continue
            if self.limit == 0:
                raise Interrupted("stopped")
            self.limit -= 1
            self.run(job)

    def run(self, job):
        job.workdir.mkdir(exist_ok=True)
        quality, rows = 1 - abs(job.config.model.step_size - 0.3), []
        for step in range(1, job.config.training.steps + 1):
            score = {"loss": 0.0, "accuracy": quality * step / 9}
            rows.append({"step": step, "split": "validation", **score})
            (job.workdir / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
            if outcome(job).finished:  # pruned
                break
        self.steps[job.workdir.name] = step
        done = step == job.config.training.steps
        summary = {"status": "done" if done else "stopped", "steps": step}
        if done:
            summary["validation_accuracy"] = rows[-1]["accuracy"]
        (job.workdir / "summary.json").write_text(json.dumps(summary))


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


def test_what_decides_the_proposals_cannot_change_on_the_way(tmp_path):
    run_search(sweep(tmp_path), search(4), Engine())
    for other in (search(8, 3), search(8, seed=1), search(8)._replace(prune=True)):
        with pytest.raises(ConfigError, match="--batch=4, --space_seed=0 and no --prune"):
            run_search(sweep(tmp_path), other, Engine())
    run_search(sweep(tmp_path), search(8), Engine())


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


def test_a_search_needs_a_length_and_a_batch(tmp_path):
    with pytest.raises(ConfigError, match="--trials=N"):
        run_search(sweep(tmp_path), search(settings=0), Engine())
    with pytest.raises(ConfigError, match="--batch must be at least 1, found 0"):
        run_search(sweep(tmp_path), search(batch=0), Engine())


def test_a_search_is_run_by_one_coordinator(tmp_path):
    given = sweep(tmp_path)
    with locked(given.folder, adaptive.LOCK), pytest.raises(WorkdirInUse):
        run_search(given, search(), Engine())


def test_what_was_proposed_is_read_by_whom_no_other_can_change_it(tmp_path, monkeypatch):
    read = adaptive._read

    def reading(folder, search):
        with pytest.raises(WorkdirInUse), locked(folder, adaptive.LOCK):
            pass
        return read(folder, search)

    monkeypatch.setattr(adaptive, "_read", reading)
    assert len(run_search(sweep(tmp_path), search(2), Engine()).outcomes) == 2


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'optuna"):
        first_trials(search())
