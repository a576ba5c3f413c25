"""What a run leaves on disk, for campaigns, mostly read without the code under test."""

import hashlib
import json
from pathlib import Path
from typing import Any

import forked

CLOCKED = (
    *("examples_per_second", "seconds", "peak_memory_bytes", "started", "ended"),
    *("command", "git", "check", "sha256"),
)
"""Fields that the clock, the memory, the folder or a commit in between has a say in; digests."""


def rows(workdir: Path) -> list[dict[str, Any]]:
    """The whole lines of metrics.jsonl, without clocked fields; a torn last line is left out.

    Raises:
      ValueError: if another line is torn.
    """
    path = workdir / "metrics.jsonl"
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [unclocked(json.loads(line)) for line in whole]


def unclocked(values: dict[str, Any]) -> dict[str, Any]:
    """The values that are the same in every run of a config."""
    return {name: value for name, value in values.items() if name not in CLOCKED}


def whole_checkpoints(workdir: Path) -> list[int]:
    """The steps whose files are those of their manifest."""
    folder = workdir / "checkpoints"
    return sorted(int(path.stem) for path in folder.glob("*.json") if _is_whole(path))


def _is_whole(manifest: Path) -> bool:
    folder = manifest.with_suffix("")
    files = json.loads(manifest.read_text())["files"]
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return found.keys() == files.keys() and all(
        hashlib.sha256(found[name].read_bytes()).hexdigest() == files[name] for name in files
    )


def outcome(workdir: Path) -> dict[str, Any]:
    """What two runs of a config have in common: rows, scores, files, and every bit of the state."""
    summary = json.loads((workdir / "summary.json").read_text())
    names = {str(path.relative_to(workdir)) for path in workdir.rglob("*")}
    return {
        "rows": rows(workdir),
        "summary": unclocked(summary),
        "files": sorted(
            name for name in names if "/ocdbt.process" not in name and "/d/" not in name
        ),
        "state": state(workdir),
    }


def state(workdir: Path) -> str:
    """The sha256 of all arrays in the last checkpoint; in a child, for jax must not start here."""
    step = whole_checkpoints(workdir)[-1]

    def digest() -> None:
        from asrnn.runs.checkpoints import Checkpoints

        folder = workdir / "checkpoints"
        leaves = json.loads((folder / f"{step}.json").read_text())["leaves"]
        tree = (
            Checkpoints(folder).load(step, {name: _shape(it) for name, it in leaves.items()}).tree
        )
        found = {name: hashlib.sha256(tree[name].tobytes()).hexdigest() for name in sorted(tree)}
        print(f"\n{step} {hashlib.sha256(json.dumps(found).encode()).hexdigest()}")

    ended = forked.run(digest)
    assert ended.code == 0, ended.text
    return ended.text.splitlines()[-1]


def _shape(described: str) -> Any:
    """float32[3, 4], as a manifest has it."""
    import jax

    dtype, _, shape = described.partition("[")
    return jax.ShapeDtypeStruct(json.loads(f"[{shape}"), dtype)
