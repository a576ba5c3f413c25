"""kill -9 at random moments: `make torture`, or python experiments/torture.py --kills=1000.

Runs small trainings and sweeps in forked children, each for a random time within the length of an
undisturbed run, until it ends; then again in a new folder. After every kill

* the rows that are on disk are the first rows of the undisturbed run, whole, once and in order;
* no checkpoint that was whole is lost, and no more than one interval of steps is;

and at the end rows, scores, names of files and every bit of the last state are those of the
undisturbed run. Ends with code 1 unless all of that holds. One start in ten finds an empty
compilation cache, so that kills come during compilation too.
"""

import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked
import left_behind

CONFIGS = Path(__file__).parents[1] / "configs"
EVERY = 10  # updates between two checkpoints
SIZES = {
    "model.hidden_size": 8,
    "training.batch_size": 31,  # a prime: one device
    "training.steps": 40,
    "training.log_every": 5,
    "training.eval_every": 20,
    "training.checkpoint_every": EVERY,
}
SPACE = """def get_space(h):
    return h.quasi_random(3, h.log_uniform("optimizer.learning_rate", 1e-3, 3e-2))
"""
COLD = 0.1  # the share of starts that have to compile
REFERENCES = 2  # undisturbed runs, of which the first compiles


@dataclass(frozen=True)
class Case:
    """A command; its share of the kills; the folders of runs in its folder."""

    module: str
    args: tuple[str, ...]
    share: float
    runs: str = "."


@dataclass
class Found:
    """What a case came to."""

    kills: int = 0
    ends: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds_undisturbed: float = 0.0
    seconds: float = 0.0


def train(config: str, **changes: Any) -> tuple[str, ...]:
    """The flags of a small training."""
    fields = SIZES | {name.replace("__", "."): value for name, value in changes.items()}
    return (
        f"--config={CONFIGS / config}",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    )


def cases(folder: Path) -> dict[str, Case]:
    """By name: cells, objectives, readouts, data in memory and generated; one run and a sweep."""
    space = folder / "space.py"
    space.write_text(SPACE)
    adding = {"task__length": 20, "task__validation_size": 64, "training__batch_size": 32}
    sweep = (f"--space={space}", "--engine=population", "--rungs=20")
    return {
        "digits": Case("train", train("digits.py"), 0.4),
        "gated, diagnostics, adagrad": Case(
            "train",
            train("digits.py:gated", training__diagnostics_every=15, optimizer__name="adagrad"),
            0.2,
        ),
        "adding, lstm": Case("train", train("adding.py:lstm", **adding), 0.2),
        "population, halving": Case(
            "sweep", (*sweep, *train("digits.py", optimizer__schedule="constant")), 0.2, "*"
        ),
    }


def main() -> None:
    """Parses the flags, disturbs every case, prints and writes what was found."""
    given = forked.flags(__doc__, "kills", 1000)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name)
        forked.preload(folder / "compiled")
        chosen = {n: c for n, c in cases(folder).items() if given.case in (None, n)}
        whole = sum(case.share for case in chosen.values())
        found: dict[str, Found] = {}
        going: dict[str, Iterator[Found]] = {}
        for name, case in chosen.items():
            kills = round(given.kills * case.share / whole)
            draw = random.Random(f"{given.seed} {name}")
            going[name] = disturb(case, folder / str(len(going)), kills, draw)
        while going:  # in turn, so that a campaign that is cut short has seen all of them
            for name in list(going):
                state = next(going[name], None)
                if state is None:
                    del going[name]
                else:
                    found[name] = state
                report(found, given, time.monotonic() - started)
    print(report(found, given, time.monotonic() - started))
    sys.exit(any(it.wrong for it in found.values()))


def report(found: dict[str, Found], given: Any, seconds: float) -> str:
    """Everything so far as JSON, also in the file of --out."""
    text = json.dumps(
        {
            "kills": sum(it.kills for it in found.values()),
            "runs_that_ended": sum(it.ends for it in found.values()),
            "wrong": sum(len(it.wrong) for it in found.values()),
            "seed": given.seed,
            "seconds": round(seconds, 1),
            "cases": {name: vars(it) for name, it in found.items()},
        },
        indent=2,
    )
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")
    return text


def disturb(case: Case, folder: Path, kills: int, draw: random.Random) -> Iterator[Found]:
    """Kills and restarts; gives what was found so far after every run that ended."""
    started = time.monotonic()
    found = Found()
    folder.mkdir()
    reference = folder / "reference"
    for _ in range(REFERENCES):
        shutil.rmtree(reference, ignore_errors=True)
        ended = forked.call(case.module, *case.args, f"--workdir={reference}")
        assert ended.code == 0, ended.text
        found.seconds_undisturbed = round(ended.seconds, 2)
    expected = outcomes(case, reference)
    workdir = folder / "run"
    while found.kills < kills:
        shutil.rmtree(workdir, ignore_errors=True)
        problem = survive(case, workdir, expected, kills, draw, found)
        if problem is not None:
            found.wrong.append(problem)
        found.seconds = round(time.monotonic() - started, 1)
        yield found


def survive(
    case: Case,
    workdir: Path,
    expected: dict[str, Any],
    kills: int,
    draw: random.Random,
    found: Found,
) -> str | None:
    """One run, killed again and again until it ends; what is wrong with what it left, or None."""
    newest: dict[str, int] = {}
    while True:
        first = empty_cache(workdir.with_name("cold")) if draw.random() < COLD else None
        moment = draw.uniform(0.0, found.seconds_undisturbed) if found.kills < kills else None
        ended = forked.call(
            case.module, *case.args, f"--workdir={workdir}", kill_after=moment, first=first
        )
        if ended.code >= 0:
            break
        found.kills += 1
        found.moments[when(case, workdir)] += 1
        for path in runs(case, workdir):
            wrong = wrong_after_a_kill(path, expected[path.name], newest)
            if wrong is not None:
                return f"after {moment:.3f} s in {path.name}: {wrong}"
    found.ends += 1
    if ended.code or "Traceback" in ended.text or " is damaged (" in ended.text:
        return f"code {ended.code}: {ended.text[-2000:]}"
    left = outcomes(case, workdir)
    if left.keys() != expected.keys():
        return f"the runs are {sorted(left)}"
    differing = [
        (run, it) for run in left for it in left[run] if left[run][it] != expected[run][it]
    ]
    return f"not as undisturbed: {differing}" if differing else None


def empty_cache(folder: Path) -> Callable[[], None]:
    """What makes a child compile everything itself."""

    def use() -> None:
        import jax

        shutil.rmtree(folder, ignore_errors=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))

    return use


def runs(case: Case, folder: Path) -> list[Path]:
    """The folders of runs."""
    return sorted(path.parent for path in folder.glob(f"{case.runs}/.lock"))


def outcomes(case: Case, folder: Path) -> dict[str, Any]:
    """What is compared, by run: the one run of a training has the name of its folder."""
    found = {path.name: left_behind.outcome(path) for path in runs(case, folder)}
    return found if case.runs == "*" else {"run": found[folder.name]}


def when(case: Case, folder: Path) -> str:
    """The moment of a kill, from what lies on disk."""
    found = runs(case, folder)
    if not found:
        return "before the workdir"
    checkpoints = [path for run in found for path in (run / "checkpoints").glob("*")]
    finished = {path.stem for path in checkpoints if path.suffix == ".json"}
    if any(path.name.partition(".")[0] not in finished for path in checkpoints):
        return "within a checkpoint"
    if all((run / "summary.json").exists() for run in found):
        return "after the last step"
    return "after a checkpoint" if finished else "before the first checkpoint"


def wrong_after_a_kill(
    workdir: Path, expected: dict[str, Any], newest: dict[str, int]
) -> str | None:
    """What is wrong with a workdir; `newest` keeps the last whole checkpoint of each run."""
    try:
        rows = left_behind.rows(workdir)
    except ValueError as error:
        return f"torn rows: {error}"
    trained, undisturbed = (
        [row for row in found if row["split"] != "test"] for found in (rows, expected["rows"])
    )  # a rung of a sweep ends with a test, which is cut off when the run goes on
    if trained != undisturbed[: len(trained)]:
        return f"rows are not the first of the undisturbed run: {rows}"
    step = max(left_behind.whole_checkpoints(workdir), default=0)
    before = newest.get(workdir.name, 0)
    newest[workdir.name] = step
    if step < before:
        return f"checkpoint {before} was whole, now the newest is {step}"
    reached = max((row["step"] for row in rows), default=0)
    return None if reached <= step + EVERY else f"{reached} steps recorded, {step} saved"


if __name__ == "__main__":
    main()
