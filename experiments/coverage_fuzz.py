"""Bytes that reach new lines of the readers: python experiments/coverage_fuzz.py --minutes=60.

What `fuzz.py` reads of files (IDX, CIFAR, .npz, config.json, metrics.jsonl, ...), fuzzed by
atheris, libFuzzer for Python (`make fuzz` installs it): inputs that execute new lines of asrnn,
json, zipfile and NumPy are kept in --corpus and changed further. A reader returns, or raises an
AsrnnError of one line; anything else, and whatever takes longer than 20 seconds or 2 GiB, is
wrong: it ends the campaign with code 1, and the input is in --corpus too.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 20
MIB = 2048
LARGEST = 1 << 16  # bytes of an input


def main() -> None:
    """Runs the fuzzer in a process of its own, which it ends itself, and reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default="runs/fuzz", help="of all campaigns")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coverage-fuzz-") as name:
        corpus = given.corpus.absolute()
        corpus.mkdir(parents=True, exist_ok=True)
        flags = [
            *(f"-max_total_time={round(60 * given.minutes)}", f"-seed={given.seed}"),
            *(f"-timeout={SECONDS}", f"-rss_limit_mb={MIB}", f"-max_len={LARGEST}"),
            *("-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={corpus}/wrong-"),
        ]
        ended = subprocess.run(
            [sys.executable, __file__, "--child", str(Path(name) / "files"), str(corpus), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        text = report(ended.stdout, ended.returncode)
    print(text)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")
    sys.exit(ended.returncode != 0)


def report(log: str, code: int) -> str:
    """The figures of libFuzzer's log as JSON, and its end if something was wrong."""
    import json  # not before the child has it instrumented

    inputs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", log)
    progress = re.findall(r"cov: (\d+) ft: (\d+)", log)
    kept = re.findall(r"corp: (\d+)/", log)
    seconds = re.findall(r"Done \d+ runs in (\d+) second", log)
    found = {
        "inputs": int(inputs[-1]) if inputs else None,
        "seconds": int(seconds[-1]) if seconds else None,
        "edges_at_the_start": int(progress[0][0]) if progress else None,
        "edges": int(progress[-1][0]) if progress else None,
        "inputs_kept": int(kept[-1]) if kept else None,
        "wrong": log[-6000:] if code else None,
    }
    return json.dumps(found, indent=2)


def child(folder: Path, corpus: Path, flags: list[str]) -> None:
    """Fuzzes; does not return."""
    import atheris

    with atheris.instrument_imports(include=["json", "zipfile", "numpy.lib", "asrnn"]):
        import fuzz

        import asrnn.sweeps.folder
        import asrnn.tasks.images.cifar_binary
        import asrnn.tasks.images.idx
        import asrnn.tasks.npz  # noqa: F401
        from asrnn.errors import AsrnnError

        folder.mkdir()
        readers = list(fuzz.all_readers(folder).values())
    for number, (_, whole, _) in enumerate(readers):
        (corpus / f"whole-{number}").write_bytes(bytes([number]) + whole)

    def feed(data: bytes) -> None:
        path, whole, read = readers[data[0] % len(readers) if data else 0]
        path.write_bytes(data[1:])
        try:
            read()
        except AsrnnError as error:
            if len(str(error).splitlines()) != 1:
                raise ValueError(f"not one line: {error}") from None
        finally:
            path.write_bytes(whole)

    atheris.Setup([sys.argv[0], *flags, str(corpus)], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
    else:
        main()
