"""A sweep ends with the same table whatever engine ran it and whatever stopped it in between."""

import pytest

from asrnn.errors import AsrnnError, ConfigError, Interrupted
from asrnn.reports.closing_tables import sweep_table
from asrnn.reports.sweep import read_sweep
from asrnn.reports.sweep_figures import close_sweep
from asrnn.runs.metrics import read_rows
from asrnn.sweeps import process
from asrnn.sweeps import space_functions as h
from asrnn.sweeps.engines import local_engine
from asrnn.sweeps.shard import Shard
from asrnn.sweeps.space import expand
from asrnn.sweeps.sweep import Result, Sweep, check_sweep, dry_run, run_sweep
from asrnn.sweeps.trials import Outcome, make_trials, outcome
from tests.sweeps.engine import in_process
from tests.training.runs import assert_same_run, summary, tiny_config

SPACE = h.product(h.sweep("optimizer.learning_rate", [0.001, 0.03]), h.seeds(2))
TRIALS = make_trials(expand(SPACE, 0))


def stopped_after(count):
    """An engine that a signal stops when it has run so many jobs."""

    def engine(jobs, watch):
        left = [job for job in jobs if not outcome(job).finished]
        in_process(left[:count], watch)
        if len(left) > count:
            raise Interrupted("stopped")

    return engine


def halving(folder, trials=TRIALS, **changes):
    config = tiny_config(training__steps=6, training__checkpoint_every=6)
    return Sweep(config, trials, folder, rungs=(2,), reduction=2.0, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, compilation_cache):
    """A sweep that nothing interrupted."""
    sweep = halving(tmp_path_factory.mktemp("whole"))
    return sweep, run_sweep(sweep, in_process)


def table(sweep):
    return (sweep.folder / "sweep.csv").read_text()


def last_step(sweep, trial):
    return max(row["step"] for row in read_rows(sweep.folder / trial.id / "metrics.jsonl"))


def test_after_each_rung_half_of_the_settings_go_on(whole):
    sweep, result = whole
    steps = sorted(last_step(sweep, trial) for trial in TRIALS)
    assert steps == [2, 2, 6, 6]
    assert len(result.ranking) == 1
    score, group = result.ranking[0]
    assert {trial.overrides["seed"] for trial in group} == {0, 1}
    assert score == pytest.approx(sum(result.outcomes[trial.id].score for trial in group) / 2)


def test_the_closing_table_names_the_pick_and_how_it_was_picked(whole):
    _, result = whole
    text = sweep_table(result, "TRAIN")
    assert "picked by validation accuracy, never by test; 4 trials, 2 dropped" in text
    assert "diverged" not in text and "not finished yet" not in text
    assert "\nbest: TRAIN --config.optimizer.learning_rate=0.0" in text
    assert " --config.seed=0" in text.splitlines()[-1]


def test_the_closing_table_has_the_test_score_of_the_pick(whole):
    sweep, result = whole
    folders = [sweep.folder / trial.id for trial in result.ranking[0][1]]
    mean = sum(summary(folder)["test_accuracy"] for folder in folders) / 2
    line = f"test accuracy of the best: {mean:.2%} (mean of 2 seeds)"
    assert line in sweep_table(result, "TRAIN").splitlines()
    untested = {id: one._replace(test=None) for id, one in result.outcomes.items()}
    assert "test accuracy of" not in sweep_table(result._replace(outcomes=untested), "TRAIN")


def test_the_closing_table_has_the_fields_in_the_order_of_the_space():
    [trial] = make_trials([{"optimizer.learning_rate": 0.1, "model.cell": "lstm", "seed": 0}])
    result = Result([(0.5, [trial])], {trial.id: Outcome(True, "done", 9, 0.5)}, {trial.id: 9})
    assert sweep_table(result, "TRAIN").splitlines()[1].endswith("  learning_rate=0.1 cell=lstm")


def test_the_pictures_and_the_page_name_the_same_pick(whole):
    sweep, result = whole
    score, group = result.ranking[0]
    best = read_sweep(sweep.folder / "sweep.csv", "whole").best
    assert best.score == score
    assert [entry.id for entry in best.entries] == [trial.id for trial in group]


def test_where_the_best_was_trained_is_said(whole):
    sweep, result = whole
    line = close_sweep(sweep.folder / "sweep.csv")[0]
    folders = [str(sweep.folder / trial.id) for trial in result.ranking[0][1]]
    assert line == f"trained already: {', '.join(folders)}"


def test_a_dry_run_says_how_many_trials_are_finished(whole):
    assert dry_run(whole[0]).endswith("; 4 finished already")


def test_a_rerun_runs_nothing(whole):
    sweep, result = whole

    def nothing_left(jobs, watch):
        assert all(outcome(job).finished for job in jobs)

    before = table(sweep)
    assert run_sweep(sweep, nothing_left) == result
    assert table(sweep) == before


def test_an_interrupted_sweep_goes_on_to_the_same_table(whole, tmp_path):
    sweep = halving(tmp_path)
    for _ in range(20):
        try:
            run_sweep(sweep, stopped_after(2))
            break
        except Interrupted:
            assert table(sweep) != table(whole[0])
    assert table(sweep) == table(whole[0])


@pytest.mark.slow
@pytest.mark.ci
def test_the_second_trial_of_a_process_is_the_run_that_one_of_its_own_makes(tmp_path):
    config = tiny_config()
    trials = make_trials([{"seed": seed} for seed in (0, 1)])
    for folder, lives in (("kept", 2), ("own", 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "JOBS", lives)
            with local_engine(1) as engine:
                run_sweep(Sweep(config, trials, tmp_path / folder), engine)
    for trial in trials:
        assert_same_run(tmp_path / "kept" / trial.id, tmp_path / "own" / trial.id)
        assert "data: digits" in (tmp_path / "kept" / trial.id / "log.txt").read_text()
    peaks = [summary(tmp_path / "kept" / trial.id)["peak_memory_bytes"] for trial in trials]
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.slow
def test_shards_make_the_same_table_together(whole, tmp_path):
    first, second = (halving(tmp_path, shard=Shard(part, 2)) for part in (0, 1))
    with pytest.raises(Interrupted, match="2 trials to step 2 are left to other shards"):
        run_sweep(first, in_process)
    early = run_sweep(second, in_process)  # the first rung is whole now, the last one half
    assert "1 not finished yet" in sweep_table(early, "TRAIN")
    assert early.ranking[0][0] is None
    run_sweep(first, in_process)
    assert table(first) == table(whole[0])


def test_a_whole_sweep_whose_trials_end_early_does_not_speak_of_shards(tmp_path):
    with pytest.raises(AsrnnError, match="4 trials ended before step 2 and did not say why"):
        run_sweep(halving(tmp_path), lambda jobs, watch: None)


def test_a_setting_that_diverges_is_marked_and_the_others_go_on(tmp_path):
    trials = make_trials([{"optimizer.learning_rate": r} for r in (1e38, 0.01)])
    sweep = Sweep(tiny_config(optimizer__name="sgd"), trials, tmp_path)
    result = run_sweep(sweep, in_process)
    assert [score is None for score, _ in result.ranking] == [False, True]
    assert f"{trials[0].id},diverged," in table(sweep)
    assert "2 trials, 1 diverged\n" in sweep_table(result, "TRAIN")


def test_where_all_diverge_the_sweep_ends_and_picks_nothing(tmp_path):
    trials = make_trials([{"optimizer.learning_rate": 1e38}])
    sweep = halving(tmp_path, trials)
    sweep.config.optimizer.name = "sgd"
    result = run_sweep(sweep, in_process)
    assert result.outcomes[trials[0].id].status == "diverged"
    assert sweep_table(result, "TRAIN").endswith("best: none, no setting has finished")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"trials": []}, "the space is empty"),
        ({"config": tiny_config(task__validation_size=0)}, "validation_size is 0"),
        ({"trials": make_trials([{"training.steps": 9}])}, "and so do the rungs"),
        ({"trials": make_trials([{"optimizer.schedule": "cosine"}])}, "or leave the rungs out"),
        ({"rungs": (4, 2)}, "must rise"),
        ({"reduction": 1.0}, "must be above 1, found 1"),
        ({"trials": make_trials([{"model.cel": "lstm"}])}, "unknown field 'model.cel'"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(change, complaint, tmp_path):
    with pytest.raises(ConfigError, match=complaint):
        check_sweep(halving(tmp_path)._replace(**change))
    assert not any(tmp_path.iterdir())
