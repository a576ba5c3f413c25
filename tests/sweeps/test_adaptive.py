"""A search's proposals follow from the space, the seed and the scores, and from nothing else."""

import sys

import pytest

from asrnn.errors import ConfigError, Interrupted, WorkdirInUse
from asrnn.runs.workdir import locked
from asrnn.sweeps import adaptive
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.adaptive import (
    PROPOSALS,
    Scored,
    first_trials,
    next_batch,
    propose,
    run_search,
    settings,
)
from asrnn.sweeps.shard import Shard
from tests.sweeps.searches import BOX, RATE, STEP_SIZE, Engine, points, search, sweep

optuna = pytest.importorskip("optuna", reason="needs the extra optuna")


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


def test_settings_that_are_proposed_again_are_told(tmp_path, capsys):
    space = h.product(h.sweep(STEP_SIZE, [0.3, 0.5]), h.seeds(2))
    result = run_search(sweep(tmp_path), search(5, 4, space), Engine())
    assert len(result.outcomes) == 4
    line = "3 of the 5 settings that the search proposed are ones that it had proposed before"
    assert f"{line}, run once: 2 different settings; " in capsys.readouterr().err
    run_search(sweep(tmp_path / "box"), search(5), Engine())
    assert "proposed" not in capsys.readouterr().err


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


def test_what_decides_the_proposals_cannot_change_on_the_way(tmp_path):
    run_search(sweep(tmp_path), search(4), Engine())
    for other in (search(8, 3), search(8, seed=1), search(8)._replace(prune=True)):
        with pytest.raises(ConfigError, match="--batch=4, --space_seed=0 and no --prune"):
            run_search(sweep(tmp_path), other, Engine())
    run_search(sweep(tmp_path), search(8), Engine())


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
