"""The local engine: what it makes of the ends that a trial's process can come to.

The workers here are a few lines of Python; `test_sweep.py` has real ones.
"""

import itertools
import json
import os
import signal
import sys
import textwrap
import threading
import time

import pytest

from asrnn.config import base_config
from asrnn.errors import AsrnnError, ConfigError, DataError, Interrupted
from asrnn.sweeps import engines, pool, process
from asrnn.sweeps.trials import Job, outcome
from tests.sweeps.quiet import Quiet

PREAMBLE = """
import json, os, signal, sys, time
from pathlib import Path
order = json.loads(sys.stdin.readline())
workdir, steps = Path(order["workdir"]), order["config"]["training"]["steps"]
with (workdir / "starts").open("a") as file:
    file.write("x")
starts = len((workdir / "starts").read_text())

def finish(status="done"):
    (workdir / "summary.json").write_text(json.dumps({"status": status, "steps": steps}))

"""


WARM = """
import textwrap
for line in sys.stdin:
    order = json.loads(line)
    workdir, steps = Path(order["workdir"]), order["config"]["training"]["steps"]
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    with (workdir / "starts").open("a") as file:
        file.write("x")
    starts = len((workdir / "starts").read_text())
    (workdir / "pid").write_text(str(os.getpid()))
    exec(BODY)
    os.write(order["answers"], f"{code}\\n".encode())
"""


class Notes:
    """A Watch that writes down what it is told."""

    def __init__(self):
        self.told = []

    def started(self, job):
        self.told.append(("started", job.workdir.name))

    def ended(self, job):
        self.told.append(("ended", job.workdir.name))


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Sets what the processes of trials do after `PREAMBLE`."""

    def write(body):
        script = tmp_path / "worker.py"
        script.write_text(PREAMBLE + textwrap.dedent(body))
        monkeypatch.setattr(process, "WORKER", (sys.executable, "-S", str(script)))

    return write


@pytest.fixture
def warm_worker(tmp_path, monkeypatch):
    """Sets what a process does with each job; it is to set `code`, the answer."""

    def write(body):
        script, imports = tmp_path / "worker.py", PREAMBLE.partition("order =")[0]
        finish = PREAMBLE.partition("\n\n")[2]
        text = f"{imports}{finish}BODY = {textwrap.dedent(body)!r}\n{WARM}"
        script.write_text(text)
        monkeypatch.setattr(process, "WORKER", (sys.executable, "-S", str(script)))

    return write


@pytest.fixture
def jobs(tmp_path):
    config = base_config()
    config.training.steps = 9
    return [Job(tmp_path / "sweep" / name, config) for name in "abcd"]


def starts(job):
    path = job.workdir / "starts"
    return len(path.read_text()) if path.exists() else 0


def test_every_job_is_run_once_and_a_finished_one_never(jobs, worker):
    worker("finish()")
    notes = Notes()
    engines.run_locally(jobs[:3], workers=2, watch=notes)
    engines.run_locally(jobs, workers=2, watch=Quiet())
    assert [starts(job) for job in jobs] == [1, 1, 1, 1]
    assert sorted(notes.told) == [(what, name) for what in ("ended", "started") for name in "abc"]


def test_no_more_run_at_a_time_than_there_are_workers(jobs, worker):
    worker("time.sleep(0.2); finish()")

    class Counting(Quiet):
        now = most = 0

        def started(self, job):
            self.now += 1
            self.most = max(self.most, self.now)

        def ended(self, job):
            self.now -= 1

    counting = Counting()
    engines.run_locally(jobs, workers=2, watch=counting)
    assert counting.most == 2


def test_a_trial_that_diverged_is_finished(jobs, worker):
    worker("finish('diverged'); sys.exit(4)")
    engines.run_locally(jobs[:1], workers=1, watch=Quiet())
    assert outcome(jobs[0]).status == "diverged"


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "sys.exit(75)", "sys.exit(1)"])
def test_a_trial_whose_process_ends_early_is_started_again(jobs, worker, end):
    worker(f"finish() if starts == 2 else {end}")
    engines.run_locally(jobs[:1], workers=1, watch=Quiet())
    assert starts(jobs[0]) == 2


def test_one_that_dies_again_and_again_is_given_up_after_the_others_are_done(jobs, worker):
    worker("os.kill(os.getpid(), 9) if workdir.name == 'a' else finish()")
    with pytest.raises(AsrnnError, match=r"1 trials failed: a \(signal 9 3 times, see its log"):
        engines.run_locally(jobs, workers=2, watch=Quiet())
    assert [outcome(job).finished for job in jobs] == [False, True, True, True]
    assert starts(jobs[0]) == 3


@pytest.mark.parametrize(("code", "error"), [(2, ConfigError), (3, DataError)])
def test_what_every_trial_would_end_with_ends_the_sweep_with_its_words(jobs, worker, code, error):
    worker(f"print('no data here\\n', file=sys.stderr); sys.exit({code})")
    with pytest.raises(error, match="trial a: no data here"):
        engines.run_locally(jobs, workers=1, watch=Quiet())
    assert starts(jobs[1]) == 0


def test_a_workdir_in_use_is_tried_again_until_it_is_free_or_finished(
    jobs, worker, monkeypatch, capsys
):
    monkeypatch.setattr(pool, "BUSY", 0.01)
    worker("if starts > 5: finish()\nelse: print('in use', file=sys.stderr); sys.exit(6)")
    engines.run_locally(jobs[:1], workers=1, watch=Quiet())
    assert starts(jobs[0]) == 6
    assert capsys.readouterr().err == "trial a waits for another process: in use\n"


def test_the_pauses_before_a_workdir_in_use_is_tried_again_grow(jobs, monkeypatch):
    now = 0.0
    begun = []

    class Held:
        def poll(self):
            return 6

    class Stop:
        received = None

    def start(job, place):
        begun.append(now)
        if len(begun) == 9:
            (job.workdir / "summary.json").write_text('{"status": "done", "steps": 9}')
        return Held()

    def sleep(seconds):
        nonlocal now
        now += 0.5

    monkeypatch.setattr(pool.time, "monotonic", lambda: now)
    monkeypatch.setattr(pool.time, "sleep", sleep)
    jobs[0].workdir.mkdir(parents=True)
    pool.Pool(jobs[:1], [0], start, Quiet(), Stop()).run()
    assert [round(b - a) for a, b in itertools.pairwise(begun)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_signal_lets_all_trials_save_and_starts_no_more(jobs, worker):
    worker("""
        signal.signal(signal.SIGTERM, lambda *_: ((workdir / "saved").touch(), sys.exit(75)))
        (workdir / "ready").touch()
        time.sleep(60)
    """)

    def stop_when_two_run():
        while not all((job.workdir / "ready").exists() for job in jobs[:2]):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_when_two_run)
    thread.start()
    with pytest.raises(Interrupted, match="stopped by SIGTERM, all trials saved"):
        engines.run_locally(jobs, workers=2, watch=Quiet())
    thread.join()
    assert [(job.workdir / "saved").exists() for job in jobs] == [True, True, False, False]


def test_a_process_takes_one_job_after_the_other_and_says_what_it_has_to_in_the_log_of_each(
    jobs, warm_worker
):
    warm_worker("print(f'this is {workdir.name}', file=sys.stderr, flush=True); finish(); code = 0")
    engines.run_locally(jobs, workers=1, watch=Quiet())
    assert len({(job.workdir / "pid").read_text() for job in jobs}) == 1
    assert [process.last_line(job) for job in jobs] == [f"this is {name}" for name in "abcd"]


def test_after_a_number_of_jobs_or_a_death_there_is_a_new_process(jobs, warm_worker, monkeypatch):
    monkeypatch.setattr(process, "JOBS", 3)
    warm_worker("os._exit(1) if workdir.name == 'a' and starts == 1 else finish(); code = 0")
    engines.run_locally(jobs, workers=1, watch=Quiet())
    order = [(job.workdir / "pid").read_text() for job in (*jobs[1:], jobs[0])]
    assert starts(jobs[0]) == 2
    assert order[0] == order[1] == order[2] != order[3]


def test_processes_live_as_long_as_the_engine_through_rungs_and_batches(jobs, warm_worker):
    warm_worker("finish(); code = 0")
    with engines.local_engine(1) as engine:
        engine(jobs[:2], Quiet())
        engine(jobs[2:], Quiet())
    assert len({(job.workdir / "pid").read_text() for job in jobs}) == 1


def test_a_pruned_trial_is_stopped_once_and_not_started_again(jobs, warm_worker, monkeypatch):
    monkeypatch.setattr(pool, "LOOK", 0.0)
    warm_worker("""
        row = {"step": 3, "split": "validation", "loss": 1.0, "accuracy": 0.2}
        (workdir / "metrics.jsonl").write_text(json.dumps(row) + "\\n")
        stopped = []
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
        while not stopped:
            time.sleep(0.01)
        time.sleep(0.3)
        (workdir / "signals").write_text(str(len(stopped)))
        code = 75
    """)
    pruned = [job._replace(limits={3: -0.5}) for job in jobs[:2]]
    engines.run_locally(pruned, workers=1, watch=Quiet())
    assert [(outcome(job).status, outcome(job).step, starts(job)) for job in pruned] == [
        ("pruned", 3, 1)
    ] * 2
    assert [(job.workdir / "signals").read_text() for job in pruned] == ["1", "1"]


def test_a_worker_is_told_its_workdir_its_config_and_its_cores(jobs, worker):
    worker("(workdir / 'order').write_text(json.dumps(order)); finish()")
    engines.run_locally(jobs[:1], workers=1, watch=Quiet())
    order = json.loads((jobs[0].workdir / "order").read_text())
    assert order["workdir"] == str(jobs[0].workdir)
    assert order["config"] == jobs[0].config.to_dict()
    assert order["parent"] == os.getpid()
