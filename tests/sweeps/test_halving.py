"""Who goes on is decided by the results alone."""

import pytest

from asrnn.errors import ConfigError
from asrnn.sweeps.halving import check_rungs, promoted, ranked, read_rungs
from asrnn.sweeps.trials import Outcome, make_trials

RATE = "optimizer.learning_rate"


def done(accuracy):
    return Outcome(True, "done", 10, accuracy)


DIVERGED = Outcome(True, "diverged", 4, 0.99)


def results(trials, *found):
    return {trial.id: one for trial, one in zip(trials, found, strict=True)}


def test_the_best_third_rounded_up_goes_on_in_the_old_order():
    trials = make_trials([{RATE: r} for r in (0.1, 0.2, 0.3, 0.4)])
    outcomes = results(trials, done(0.7), done(0.1), done(0.2), done(0.9))
    assert promoted(trials, outcomes, 3) == [trials[0], trials[3]]


def test_seeds_of_a_setting_are_judged_together_by_their_mean():
    trials = make_trials([{RATE: r, "seed": s} for r in (0.1, 0.2) for s in (0, 1)])
    outcomes = results(trials, done(0.9), done(0.1), done(0.6), done(0.6))
    assert promoted(trials, outcomes, 2) == trials[2:]
    assert [score for score, _ in ranked(trials, outcomes)] == [0.6, 0.5]


def test_a_setting_with_a_diverged_seed_comes_last_and_never_goes_on():
    trials = make_trials([{RATE: r, "seed": s} for r in (0.1, 0.2) for s in (0, 1)])
    outcomes = results(trials, done(0.9), DIVERGED, done(0.2), done(0.3))
    assert [score for score, _ in ranked(trials, outcomes)] == [0.25, None]
    assert promoted(trials, outcomes, 1.01) == trials[2:]


def test_equally_good_settings_keep_their_order():
    trials = make_trials([{RATE: r} for r in (0.4, 0.1, 0.3, 0.2)])
    outcomes = results(trials, *[done(0.5)] * 4)
    assert promoted(trials, outcomes, 2) == trials[:2]


def test_nobody_goes_on_where_all_diverged():
    trials = make_trials([{RATE: 0.1}, {RATE: 0.2}])
    assert promoted(trials, results(trials, DIVERGED, DIVERGED), 2) == []


@pytest.mark.parametrize("rungs", [(0, 5), (5, 5), (5, 3), (10,), (-1,)])
def test_rungs_that_do_not_rise_to_the_end_are_refused(rungs):
    with pytest.raises(ConfigError, match=r"must rise from above 0 to below config.training.steps"):
        check_rungs(rungs, 10, "constant")


def test_a_run_whose_length_shapes_it_cannot_be_extended():
    check_rungs((), 10, "cosine")
    with pytest.raises(ConfigError, match="another schedule, or leave the rungs out"):
        check_rungs((5,), 10, "cosine")


def test_rungs_are_read_and_refused_as_they_were_written():
    assert read_rungs(["5", "20"]) == [5, 20]
    assert read_rungs([]) == []
    with pytest.raises(ConfigError, match=r"must be numbers of steps, found 5,x$"):
        read_rungs(["5", "x"])
