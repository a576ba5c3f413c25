"""Senseless input of every kind: python experiments/fuzz.py --inputs=5000 [--part=overrides].

overrides  flags of `asrnn.train`: resolved and shaped by --dry_run, and every so often trained
spaces     space files of random expressions: `asrnn.sweep --dry_run`
files      bytes of .npz, IDX and CIFAR files, config.json, metrics.jsonl, summary.json,
           trials.jsonl, sweep.csv and tables: each changed at random and read

A command ends with 0, or with one line and a code of asrnn.errors; a reader returns, or raises an
AsrnnError of one line. Else it is wrong: a traceback, more lines, a hang, or a folder left behind.
Ends with code 1 if anything is.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import forked

CONFIGS = Path(__file__).parents[1] / "configs"
FILES = ("digits.py", "digits.py:gated", "digits.py:lstm", "adding.py", "copying.py", "npz.py")
CODES = (2, 3, 4, 5, 6)
NUMBERS = (
    *("0", "1", "-1", "2", "3", "7", "8", "0.5", "1e-3", "-0.0", "1e308", "1e-320", "1e400"),
    *("nan", "inf", "-inf", "2147483647", "2147483648", "4294967296", "1" + "0" * 400, "0x10"),
)
TEXTS = ("", " ", "x", "é", "'", '"', "None", "True", "false", "[1,2]", "(1,)", "a=b", "\t", "%s")
SMALL = {"model.hidden_size": 4, "training.steps": 1, "training.batch_size": 3}
TRAINED_EVERY = 8  # of the sets that --dry_run accepts, one in so many makes an update
SECONDS = 20  # of a reader, after which it hangs
BATCH = 200  # readers of one child


def main() -> None:
    """Parses the flags, feeds all parts, prints and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--part", choices=PARTS, help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    started = time.monotonic()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        forked.preload(Path(name) / "compiled")
        for part, (share, feed) in PARTS.items():
            if given.part not in (None, part):
                continue
            draw, began = random.Random(f"{given.seed} {part}"), time.monotonic()
            outcomes: Counter[str] = Counter()
            wrong: list[str] = []
            count = given.inputs if given.part else round(share * given.inputs)
            for outcome, why in feed(Path(name), draw, count):
                outcomes[outcome] += 1
                wrong += [why] * (outcome == "wrong")
                seconds = round(time.monotonic() - began, 1)
                found[part] = {"outcomes": outcomes, "wrong": wrong, "seconds": seconds}
                report(found, given, time.monotonic() - started)
    print(report(found, given, time.monotonic() - started))
    sys.exit(any(it["wrong"] for it in found.values()))


def report(found: dict[str, dict[str, Any]], given: Any, seconds: float) -> str:
    """Everything so far as JSON, also in the file of --out."""
    text = json.dumps(
        {
            "inputs": sum(it["outcomes"].total() for it in found.values()),
            "wrong": sum(len(it["wrong"]) for it in found.values()),
            "seed": given.seed,
            "seconds": round(seconds, 1),
            "parts": found,
        },
        indent=2,
    )
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")
    return text


Fed = Iterator[tuple[str, str]]
"""Of each input, how it ended, and what is wrong with that if it is."""


def judged(ended: forked.Ended, what: str) -> tuple[str, str]:
    """How a command ended."""
    said = [line for line in ended.text.splitlines() if line.startswith("asrnn.")]
    if ended.code == 0 and "Traceback" not in ended.text:
        return "accepted", ""
    if ended.code in CODES and len(said) == 1 and "Traceback" not in ended.text:
        return f"refused with {ended.code}", ""
    return "wrong", f"{what}: code {ended.code}: {ended.text[-1200:]}"


# ---- commands


def overrides(folder: Path, draw: random.Random, count: int) -> Fed:
    """Flags of a training."""
    from asrnn.config import CHOICES, all_options

    options, workdir, accepted = all_options(), folder / "run", 0
    for _ in range(count):
        flags = [f"--config={CONFIGS / draw.choice(FILES)}"]
        flags += [f"--config.{name}={value}" for name, value in SMALL.items()]
        for field in draw.choices(list(options), k=draw.choice((1, 1, 1, 2, 3, 5))):
            near, default = tuple(CHOICES.get(field, ())), str(options[field].default)
            values = (*NUMBERS, *TEXTS, *near * 8, *(default,) * 8)
            flags.append(f"--config.{field}={draw.choice(values)}")
        if draw.random() < 0.05:
            flags.append(draw.choice(("--config.no.field=1", "word", "--x=1", "--config.model=1")))
        found = judged(forked.call("train", *flags, "--dry_run", limit=120), " ".join(flags))
        accepted += found[0] == "accepted"
        if found[0] == "accepted" and accepted % TRAINED_EVERY == 0 and is_small(flags):
            ended = forked.call("train", *flags, f"--workdir={workdir}")
            found = judged(ended, f"{' '.join(flags)} (trained)")
            found = ("trained" if found[0] == "accepted" else found[0], found[1])
            if ended.code in (2, 3) and workdir.exists():
                found = "wrong", f"{' '.join(flags)}: left {sorted(workdir.iterdir())}"
            shutil.rmtree(workdir, ignore_errors=True)
        yield found


def is_small(flags: list[str]) -> bool:
    """Whether an update of it takes seconds."""
    return not any(
        flag.partition("=")[2].isdecimal() and len(flag.partition("=")[2]) > 3 for flag in flags
    )


def spaces(folder: Path, draw: random.Random, count: int) -> Fed:
    """Space files, and bytes in the place of one."""
    from asrnn.config import all_options

    names = [*all_options(), "no.field", ""]

    def number() -> str:
        return draw.choice(
            ("0", "1", "-1", "3", "0.1", "1e-3", "1e9", "float('nan')", "'x'", "None", "True")
        )

    def expression(depth: int) -> str:
        name = repr(draw.choice(names))
        kind = draw.randrange(9 if depth else 6)
        if kind >= 6:
            inner = ", ".join(expression(depth - 1) for _ in range(draw.randrange(4)))
            return f"h.{('product', 'zip', 'chain')[kind - 6]}({inner})"
        rates = f"h.log_uniform('optimizer.learning_rate', {number()}, {number()})"
        return (
            f"h.sweep({name}, [{number()}, {number()}])",
            f"h.fixed({name}, {number()})",
            f"h.seeds({number()}, {number()})",
            f"h.uniform({name}, {number()}, {number()})",
            f"h.quasi_random({number()}, {rates})",
            "h.quasi_random(3, h.log_uniform('optimizer.learning_rate', 1e-3, 1e-1))",
        )[kind]

    path = folder / "space.py"
    flags = [f"--config={CONFIGS / 'digits.py:quick'}", f"--space={path}", "--dry_run"]
    for _ in range(count):
        text = f"def get_space(h):\n    return {expression(2)}\n".encode()
        path.write_bytes(mutated(text, draw) if draw.random() < 0.2 else text)
        ended = forked.call("sweep", *flags, f"--workdir={folder / 'none'}", limit=120)
        yield judged(ended, path.read_text(errors="replace"))


# ---- readers


def files(folder: Path, draw: random.Random, count: int) -> Fed:
    """Bytes of files that are read; many of them in each child."""
    for first in range(0, count, BATCH):
        seed, size = draw.random(), min(BATCH, count - first)

        def read_many(seed: float = seed, size: int = size) -> None:
            print("\n" + json.dumps(list(_read(folder / "files", random.Random(seed), size))))

        ended = forked.run(read_many)
        if ended.code:
            yield "wrong", f"the child ended with {ended.code}: {ended.text[-1500:]}"
        else:
            yield from map(tuple, json.loads(ended.text.splitlines()[-1]))


def _read(folder: Path, draw: random.Random, count: int) -> Fed:
    from asrnn.errors import AsrnnError

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    readers = list(all_readers(folder).items())
    signal.signal(signal.SIGALRM, _hang)
    for _ in range(count):
        name, (path, whole, read) = draw.choice(readers)
        content = mutated(whole, draw)
        path.write_bytes(content)
        signal.alarm(SECONDS)
        try:
            read()
        except AsrnnError as error:
            lines = len(str(error).splitlines())
            yield ("refused", "") if lines == 1 else ("wrong", f"{name}: {lines} lines: {error}")
        except Exception as error:  # of any kind: that is what is looked for
            yield "wrong", f"{name}: {type(error).__name__}: {error}: {content[:2000]!r}"
        else:
            yield "accepted", ""
        finally:
            signal.alarm(0)
            path.write_bytes(whole)


def _hang(number: int, frame: Any) -> None:
    raise TimeoutError("it hangs")


def all_readers(folder: Path) -> dict[str, tuple[Path, bytes, Callable[[], Any]]]:
    """By name: a file, what is in it, and what reads it. Without digests, so that all is read."""
    import csv
    import io

    import numpy as np

    from asrnn.config import base_config, to_json
    from asrnn.paper.table_results import read_results
    from asrnn.reports.runs import read_run
    from asrnn.reports.sweep import read_sweep
    from asrnn.runs.metrics import read_rows
    from asrnn.runs.summary import read_summary
    from asrnn.runs.workdir import read_config
    from asrnn.sweeps.folder import read_trials
    from asrnn.tasks.images.originals import locate_cifar10, locate_idx
    from asrnn.tasks.npz import read
    from tests.tasks.images import fakes

    def ignore(line: str) -> None:
        del line

    mnist, cifar, run, sweep = (folder / name for name in ("mnist", "cifar", "run", "sweep"))
    for here in (run, sweep):
        here.mkdir()
        (here / "config.json").write_text(to_json(base_config()))
    fakes.write_mnist(mnist)
    fakes.write_cifar10(cifar)
    packed = io.BytesIO()
    generator = np.random.default_rng(0)
    np.savez(packed, inputs=generator.normal(size=(6, 4, 2)), targets=np.arange(6) % 3)
    row = {"step": 5, "split": "train", "loss": 1.5, "accuracy": 0.5, "learning_rate": 0.1}
    summary = {"status": "done", "steps": 5, "test_accuracy": 0.5, "num_parameters": 9}
    table = [{"name": "a", "runs": [], "settings": {"seed": 0}}]
    table_text = io.StringIO()
    csv.writer(table_text, lineterminator="\n").writerows(
        [
            ["id", "status", "steps", "rung", "validation_accuracy", "seed"],
            ["a", "done", 5, 5, 0.5, 0],
        ]
    )
    config = (run / "config.json").read_bytes()
    contents: dict[str, tuple[Path, bytes, Callable[[], Any]]] = {
        "npz": (folder / "a.npz", packed.getvalue(), lambda: read(folder / "a.npz")),
        "config.json": (run / "config.json", config, lambda: read_config(run / "config.json")),
        "config.json of a page": (run / "config.json", config, lambda: read_run(run, folder)),
        "metrics.jsonl": (
            run / "metrics.jsonl",
            (json.dumps(row) + "\n").encode() * 3,
            lambda: (read_rows(run / "metrics.jsonl"), read_run(run, folder)),
        ),
        "summary.json": (
            run / "summary.json",
            json.dumps(summary).encode(),
            lambda: (read_summary(run), read_run(run, folder)),
        ),
        "trials.jsonl": (
            sweep / "trials.jsonl",
            b'{"id": "a", "overrides": {"seed": 0}}\n',
            lambda: read_trials(sweep),
        ),
        "sweep.csv": (
            sweep / "sweep.csv",
            table_text.getvalue().encode(),
            lambda: read_sweep(sweep / "sweep.csv", "a").ranking,
        ),
        "table.json": (
            folder / "table.json",
            json.dumps(table).encode(),
            lambda: read_results(folder / "table.json"),
        ),
    }
    for here, read_it in (
        (mnist, lambda: locate_idx("mnist", str(mnist), ignore).decode()),
        (cifar, lambda: locate_cifar10(str(cifar), ignore).decode()),
    ):
        for path in sorted(it for it in here.rglob("*") if it.is_file())[:2]:
            contents[path.name] = (path, path.read_bytes(), read_it)
    for path, content, _ in contents.values():
        path.write_bytes(content)
    return contents


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Some of its bytes or bits changed, cut out, doubled or put in; JSON and headers too."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        kind = draw.randrange(7)
        at = draw.randrange(len(changed) + 1) if kind else draw.randrange(min(64, len(changed)) + 1)
        size = draw.choice((1, 1, 2, 4, 16, 64))
        if kind in (0, 1) and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            del changed[at : at + size]
        elif kind == 3:
            changed[at:at] = changed[max(at - size, 0) : at]
        elif kind == 4:
            changed[at:at] = draw.choice(
                (
                    b"null",
                    b"[",
                    b"{}",
                    b"1e999",
                    b"NaN",
                    b'"',
                    b"-",
                    b"\n",
                    b"\0",
                    b"\xff",
                    b"[" * 3000,
                    b"9" * 30,
                    b"true",
                    b",",
                )
            )
        elif kind == 5:
            changed[at : at + size] = draw.randbytes(size)
        elif draw.random() < 0.2:
            del changed[at:]
    return bytes(changed)


PARTS: dict[str, tuple[float, Callable[[Path, random.Random, int], Fed]]] = {
    "files": (0.55, files),
    "spaces": (0.05, spaces),
    "overrides": (0.4, overrides),
}


if __name__ == "__main__":
    main()
