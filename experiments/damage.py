"""Damages files at random, and runs the command again: python experiments/damage.py --damages=500.

A bit flipped, the end cut off, or the file deleted, of any file of a run that is to go on, a
finished run, a finished sweep, or a table of results. Then the command comes again, and ends in one
of these ways:

* same: with the results, bit for bit, of an undamaged folder;
* told: likewise, or without rows that are gone, and a line says what was found;
* refused: one line and an exit code of asrnn.errors.

Anything else is wrong: a traceback, or another result without a word. Ends with code 1 if there
is any.
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
from torture import SPACE, train

CODES = (2, 3, 4, 5, 6)
WORDS = ("damaged", "gone", "cannot be read", "is not")
"""One of which a line about damage has."""
PICTURES = (".png", ".lock", ".txt")  # not read by any command


@dataclass(frozen=True)
class Case:
    """What is damaged, and the command that follows.

    Attributes:
      share: of all damages.
      make: makes the folder that is copied, damaged and used.
      again: the command on a folder.
      result: what the command left in the folder and said.
    """

    share: float
    make: Callable[[Path], None]
    again: Callable[[Path], forked.Ended]
    result: Callable[[Path, forked.Ended], Any]


@dataclass
class Found:
    """What a case came to."""

    damages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


RUN = train("digits.py", optimizer__schedule="constant", training__eval_every=10)


def a_training(steps: int) -> Callable[[Path], forked.Ended]:
    """The command of a training of so many steps."""
    return lambda folder: call("train", *RUN, f"--config.training.steps={steps}", to=folder)


def call(module: str, *args: str, to: Path) -> forked.Ended:
    """A command on a workdir."""
    return forked.call(module, *args, f"--workdir={to}")


def made_by(command: Callable[[Path], forked.Ended]) -> Callable[[Path], None]:
    """Makes a folder with a command that has to succeed."""

    def make(folder: Path) -> None:
        ended = command(folder)
        assert ended.code == 0, ended.text

    return make


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())


def of_a_run(folder: Path, ended: forked.Ended) -> Any:
    """Rows, summary and state."""
    return left_behind.outcome(folder)


def of_a_finished_run(folder: Path, ended: forked.Ended) -> Any:
    """Rows, summary, and what is said of it; the state is not read again."""
    summary = read(folder / "summary.json")
    said = [line for line in ended.text.splitlines() if "accuracy" in line]
    return [left_behind.rows(folder), left_behind.unclocked(summary), said]


def of_an_evaluation(folder: Path, ended: forked.Ended) -> Any:
    """The scores."""
    return [line for line in ended.text.splitlines() if "accuracy" in line or "loss" in line]


def sweep_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """Its own command, and the one that shows it."""
    space = folder / "space.py"
    space.write_text(SPACE)
    flags = (f"--space={space}", "--engine=population", "--rungs=20", *RUN)

    def sweep(to: Path) -> forked.Ended:
        return call("sweep", *flags, to=to)

    def table(to: Path, ended: forked.Ended) -> Any:
        runs = {
            run.name: [left_behind.rows(run), left_behind.unclocked(read(run / "summary.json"))]
            for run in sorted(path.parent for path in to.glob("*/config.json"))
        }
        return [(to / "sweep.csv").read_text(), runs]

    def report(to: Path) -> forked.Ended:
        return forked.call("report", f"--runs={to}", f"--out={to / 'page.html'}")

    def page(to: Path, ended: forked.Ended) -> Any:
        return (to / "page.html").read_text().replace(to.name, "")

    yield "sweep, run again", Case(0.16, made_by(sweep), sweep, table)
    yield "sweep, its page", Case(0.16, made_by(sweep), report, page)


def table_case() -> tuple[str, Case]:
    """Results whose runs are not there any more."""
    results = Path(__file__).parent / "results"

    def reproduce(to: Path) -> forked.Ended:
        return forked.call("reproduce", "table1", "--norun", f"--out={to}", f"--runs={to / 'runs'}")

    def make(folder: Path) -> None:
        folder.mkdir()
        shutil.copy(results / "table1.json", folder)
        made_by(reproduce)(folder)

    def written(to: Path, ended: forked.Ended) -> Any:
        return {path.name: path.read_text() for path in sorted(to.glob("table1.*"))}

    return "table", Case(0.12, make, reproduce, written)


def cases(folder: Path) -> dict[str, Case]:
    """By name."""
    short, long = a_training(30), a_training(40)
    return {
        "run, going on": Case(0.28, made_by(short), long, of_a_run),
        "run, finished": Case(0.14, made_by(long), long, of_a_finished_run),
        "run, evaluated": Case(
            0.14, made_by(long), lambda to: call("evaluate", to=to), of_an_evaluation
        ),
        **dict(sweep_cases(folder)),
        **dict([table_case()]),
    }


def main() -> None:
    """Parses the flags, damages every case, prints and writes what was found."""
    given = forked.flags(__doc__, "damages", 500)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="damage-") as name:
        folder = Path(name)
        forked.preload(folder / "compiled")
        chosen = {n: c for n, c in cases(folder).items() if given.case in (None, n)}
        whole = sum(case.share for case in chosen.values())
        found: dict[str, Found] = {}
        for number, (name, case) in enumerate(chosen.items()):
            here = folder / str(number)
            here.mkdir()
            damages = round(given.damages * case.share / whole)
            for state in hurt(case, here, damages, random.Random(f"{given.seed} {name}")):
                found[name] = state
                report(found, given, time.monotonic() - started)
    print(report(found, given, time.monotonic() - started))
    sys.exit(any(it.wrong for it in found.values()))


def report(found: dict[str, Found], given: Any, seconds: float) -> str:
    """Everything so far as JSON, also in the file of --out."""
    text = json.dumps(
        {
            "damages": sum(it.damages for it in found.values()),
            "wrong": sum(len(it.wrong) for it in found.values()),
            "outcomes": sum((it.outcomes for it in found.values()), Counter()),
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


def hurt(case: Case, folder: Path, damages: int, draw: random.Random) -> Iterator[Found]:
    """Damages copies of one folder, one file each; gives what was found after each."""
    started, found = time.monotonic(), Found()
    whole, copy = folder / "whole", folder / "copy"
    case.make(whole)
    shutil.copytree(whole, copy)
    undamaged = case.again(copy)
    assert undamaged.code == 0, undamaged.text
    expected, said = case.result(copy, undamaged), about_damage(undamaged)
    assert not said, said
    for _ in range(damages):
        shutil.rmtree(copy)
        shutil.copytree(whole, copy)
        what = damage(copy, draw)
        ended = case.again(copy)
        outcome, why = judge(case, copy, ended, expected)
        found.damages += 1
        found.outcomes[outcome] += 1
        if outcome == "wrong":
            found.wrong.append(f"{what}: {why}")
        found.seconds = round(time.monotonic() - started, 1)
        yield found


def damage(folder: Path, draw: random.Random) -> str:
    """Damages one file; says which and how."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    path = draw.choice(sorted(path for path in files if path.suffix not in PICTURES))
    content = path.read_bytes()
    kind = draw.choice(["flip", "flip", "truncate", "delete"])
    name = path.relative_to(folder)
    if kind == "flip":
        place = draw.randrange(8 * len(content))
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        return f"bit {place} of {name} flipped"
    if kind == "truncate":
        length = draw.randrange(len(content))
        path.write_bytes(content[:length])
        return f"{name} cut to {length} of {len(content)} bytes"
    path.unlink()
    return f"{name} deleted"


def about_damage(ended: forked.Ended) -> list[str]:
    """The lines that say that something is damaged."""
    return [line for line in ended.text.splitlines() if any(word in line for word in WORDS)]


def judge(case: Case, folder: Path, ended: forked.Ended, expected: Any) -> tuple[str, str]:
    """How a command ended on a damaged folder, and what is wrong with that if it is."""
    if "Traceback" in ended.text or ended.code not in (0, *CODES):
        return "wrong", f"code {ended.code}: {ended.text[-1500:]}"
    if ended.code:
        return f"refused with {ended.code}", ""
    said = about_damage(ended)
    found = case.result(folder, ended)
    if found == expected:
        return "told" if said else "same", ""
    if any("gone" in line or "evaluating the latest" in line for line in said):
        return "told", ""
    return "wrong", f"another result: {difference(found, expected)}; said: {ended.text[-500:]}"


def difference(found: Any, expected: Any) -> str:
    """Where two results differ, short."""
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [key for key in found | expected if found.get(key) != expected.get(key)]
        return "; ".join(f"{key}: {difference(found.get(key), expected.get(key))}" for key in keys)
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = zip(found, expected, strict=True)
        return "; ".join(difference(one, other) for one, other in pairs if one != other)
    return f"{str(found)[:300]} for {str(expected)[:300]}"


if __name__ == "__main__":
    main()
