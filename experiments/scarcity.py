"""Too little of everything: python experiments/scarcity.py, as root for the mounts.

A small training, and a resumed one, on a tmpfs of a few sizes, on a read-only one, with few open
files, and with short files. It ends in one line and a code of asrnn.errors, 5
for a disk, or trains to its end; with room again, the same command goes on, and rows and state are
those of a run that had room from the start. Ends with code 1 unless all of that holds.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import forked
import left_behind
from torture import train

FLAGS = train("digits.py")


def main() -> None:
    """Runs all cases, prints and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", default="", help="only those whose names begin so")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="scarcity-") as name:
        folder = Path(name)
        forked.preload(folder / "compiled")
        reference = folder / "run"
        assert start(reference).code == 0
        expected = left_behind.outcome(reference)
        found: dict[str, str] = {}
        for what, case in cases(folder / "little"):
            if what.startswith(given.case):
                found[what] = case(expected)
                print(f"{what}: {found[what]}", flush=True)
    wrong = sorted(what for what, how in found.items() if how.startswith("wrong"))
    text = json.dumps(
        {"cases": found, "wrong": wrong, "seconds": round(time.monotonic() - started, 1)}, indent=2
    )
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")
    print(text)
    sys.exit(bool(wrong))


def start(workdir: Path, first: Callable[[], None] | None = None, *more: str) -> forked.Ended:
    """The training in a workdir."""
    return forked.call("train", *FLAGS, f"--workdir={workdir}", *more, first=first)


def cases(folder: Path) -> Iterator[tuple[str, Callable[[Any], str]]]:
    """By name: what is scarce; each is given what is expected in the end."""
    for size in (64, 120, 160, 200, 240, 280, 400):
        yield f"disk of {size} KiB", lambda expected, size=size: small_disk(folder, size, expected)
    yield "read-only disk", lambda expected: read_only(folder, expected)
    for files in range(6, 30, 2):
        yield f"{files} open files", limited(folder, resource.RLIMIT_NOFILE, files)
    for size in (300, 3000, 30_000):
        yield f"files of {size} bytes", limited(folder, resource.RLIMIT_FSIZE, size)


def limited(folder: Path, what: int, value: int) -> Callable[[Any], str]:
    """With a resource limited from the start; then without."""

    def case(expected: Any) -> str:
        shutil.rmtree(folder, ignore_errors=True)

        def limit() -> None:
            resource.setrlimit(what, (value, resource.getrlimit(what)[1]))

        return ending(start(folder, limit), folder, expected)

    return case


def small_disk(folder: Path, size: int, expected: Any) -> str:
    """On a tmpfs that is full too early; then one with room."""
    with mounted(folder, f"size={size}k"):
        ended = start(folder / "run")
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        return ending(ended, folder / "run", expected, codes=(0, 5))


def read_only(folder: Path, expected: Any) -> str:
    """A run that made half of its steps, on a disk that then cannot be written."""
    with mounted(folder, "size=64m"):
        workdir = folder / "run"
        forked.call("train", *FLAGS, f"--workdir={workdir}", kill_after=3.0)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        ended = start(workdir)
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        return ending(ended, workdir, expected, codes=(5,))


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A tmpfs at a folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def ending(
    ended: forked.Ended, workdir: Path, expected: Any, codes: tuple[int, ...] = (0, 2, 3, 5)
) -> str:
    """How the run in need ended, and whether the same command then ends as if without."""
    closing = [line for line in ended.text.splitlines() if line.startswith("asrnn.train:")]
    if ended.code not in codes or "Traceback" in ended.text or len(closing) != bool(ended.code):
        return f"wrong: code {ended.code}: {ended.text[-1500:]}"
    again = start(workdir)
    if again.code or "Traceback" in again.text:
        return f"wrong: with room again code {again.code}: {again.text[-800:]}"
    found = left_behind.outcome(workdir)
    differing = [name for name in expected if found[name] != expected[name]]
    if differing:
        return f"wrong: {differing} differ: {[found[name] for name in differing]}"
    return f"code {ended.code}{': ' if closing else ''}{''.join(closing)[:160]}"


if __name__ == "__main__":
    main()
