"""Checkpoints: the only file that knows orbax.

    checkpoints/1200/         what orbax wrote
    checkpoints/1200.json     our manifest: step, info, shapes, sha256 of every file and of itself

Orbax can restore damaged arrays without an error, counts empty folders as checkpoints
and casts dtypes silently. So a checkpoint exists for us only when its manifest is there
and every file has the recorded hash; the manifest is written last and removed first.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from asrnn.errors import CheckpointError, one_line
from asrnn.files import (
    SEAL,
    cannot_write,
    check_text,
    parse_json,
    sealed,
    unsealed,
    write_atomically,
)

KEEP_LATEST = 2  # so that a damaged one has a predecessor
ORBAX_FILES = 2**17  # bytes that a checkpoint takes beside its arrays, generously
OPEN_FILES = 24  # at a time while one is saved: measured 18, and room for more leaves


class Checkpoint(NamedTuple):
    """A restored checkpoint: the step, the pytree, and the JSON values saved with it."""

    step: int
    tree: Any
    info: dict[str, Any]


class Checkpoints:
    """The checkpoints of one workdir: the latest ones and the best.

    Args:
      directory: where they are; created when the first is saved.
      report: called with one line for every damaged checkpoint that is passed over.
    """

    def __init__(self, directory: Path, report: Callable[[str], None] = print):
        check_text(directory)
        self.directory = directory.absolute()
        self.report = report

    def steps(self) -> list[int]:
        """The steps that have a manifest, oldest first."""
        names = (path.stem for path in self.directory.glob("*.json"))
        return sorted(int(name) for name in names if name.isdecimal())

    def save(self, step: int, tree: Any, info: dict[str, Any], *, best: int | None) -> None:
        """Writes a checkpoint, then removes all but the latest and the best.

        Later steps are removed too: the run went back past them because they are damaged.

        Args:
          step: its number; one that exists is replaced.
          tree: a pytree of arrays.
          info: JSON values to keep with it.
          best: the step that must not be removed, if any.

        Raises:
          CheckpointError: if the disk is full or the directory cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            flat = flat_leaves(tree)
            self._check_room(step, sum(leaf.nbytes for leaf in flat.values()))
            written = self.directory / f"{step}.new"
            shutil.rmtree(written, ignore_errors=True)
            _orbax_save(written, flat)
            self._remove(step)
            written.rename(self.directory / str(step))
            manifest = {
                "step": step,
                "info": info,
                "best": best,
                "leaves": _describe(flat),
                "files": _hashes(self.directory / str(step)),
            }
            write_atomically(self._manifest(step), json.dumps(sealed(manifest), indent=1))
            self._remove_all_but_latest_and_best(step)
        except (OSError, ValueError) as error:
            raise cannot_write(self.directory / str(step), error) from None

    def latest(self, template: Any) -> Checkpoint | None:
        """Restores the newest undamaged checkpoint; None if there never was one.

        Args:
          template: a pytree with the structure, shapes and dtypes that are expected.

        Raises:
          CheckpointError: if all are damaged, or shapes or dtypes differ.
        """
        step = self._newest()
        if step is not None:
            return self.load(step, template)
        if self.steps():
            raise CheckpointError(
                f"every checkpoint in {self.directory} is damaged;"
                " start again in another workdir, or remove that folder to start again here"
            )
        return None

    def arrays_to_judge(self) -> tuple[int, dict[str, jax.Array]] | None:
        """The step and the arrays, by path, of the best checkpoint; None if none is undamaged.

        Without a validation, or if the best is damaged, of the newest. They are what was saved,
        whatever model it belongs to.
        """
        newest = self._newest()
        if newest is None:
            return None
        best = self._read_manifest(newest)["best"]
        if best not in (None, newest) and self._damage(best) is not None:
            self.report(f"the best checkpoint, {best}, is damaged; taking the newest, {newest}")
            best = None
        step = newest if best is None else best
        leaves = self._read_manifest(step)["leaves"]
        return step, _orbax_restore(self.directory / str(step), _undescribed(leaves))

    def _newest(self) -> int | None:
        """The newest undamaged step; each damaged one that is passed over is reported."""
        for step in reversed(self.steps()):
            damage = self._damage(step)
            if damage is None:
                return step
            self.report(f"checkpoint {step} is damaged ({damage}); trying the one before")
        return None

    def best(self, step: int, template: Any) -> Checkpoint | None:
        """Restores the checkpoint of the best step; None, and a line about it, if it is damaged.

        Raises:
          CheckpointError: if shapes or dtypes differ.
        """
        damage = self._damage(step)
        if damage is None:
            return self.load(step, template)
        self.report(
            f"the best checkpoint, {step}, is damaged ({damage}); evaluating the latest instead"
        )
        return None

    def load(self, step: int, template: Any) -> Checkpoint:
        """Restores the checkpoint of that step, verified.

        Raises:
          CheckpointError: if it is missing, damaged, or of other shapes or dtypes.
        """
        damage = self._damage(step)
        if damage is not None:
            raise CheckpointError(f"checkpoint {step} in {self.directory} is damaged: {damage}")
        manifest = self._read_manifest(step)
        flat = flat_leaves(template)
        expected = _describe(flat)
        for name in sorted(expected.keys() | manifest["leaves"].keys()):
            found = manifest["leaves"].get(name, "nothing")
            if found != expected.get(name, "nothing"):
                raise CheckpointError(
                    f"checkpoint {step} in {self.directory} holds {found} for {name},"
                    f" expected {expected.get(name, 'nothing')}; it belongs to another model"
                )
        restored = _orbax_restore(self.directory / str(step), flat)
        leaves = [restored[name] for name in flat]
        tree = jax.tree.unflatten(jax.tree.structure(template), leaves)
        return Checkpoint(step, tree, manifest["info"])

    def _check_room(self, step: int, size: int) -> None:
        """Detects what is missing by using it: orbax answers with pages of tracebacks."""
        probe = self.directory / f"{step}.room"
        try:
            with ExitStack() as files:
                for _ in range(OPEN_FILES):
                    files.enter_context(open(os.devnull))
            probe.write_bytes(os.urandom(2 * size + ORBAX_FILES))
        finally:
            probe.unlink(missing_ok=True)

    def _damage(self, step: int) -> str | None:
        """What is wrong with a checkpoint, or None."""
        try:
            recorded = self._read_manifest(step)["files"]
            found = _hashes(self.directory / str(step))
        except (OSError, ValueError) as error:
            return f"{self._manifest(step).name} or a file is unreadable: {one_line(error)}"
        for name in sorted(recorded.keys() | found.keys()):
            if recorded.get(name) != found.get(name):
                return f"sha256 of {step}/{name} is not the recorded one"
        return None

    def _manifest(self, step: int) -> Path:
        return self.directory / f"{step}.json"

    def _read_manifest(self, step: int) -> dict[str, Any]:
        """The manifest of a step; ValueError if it is not what was written."""
        manifest = parse_json(self._manifest(step).read_text())
        if not isinstance(manifest, dict) or SEAL not in manifest:
            raise ValueError(f"it has no {SEAL}")
        return unsealed(manifest)

    def _remove_all_but_latest_and_best(self, latest: int) -> None:
        """Keeps what each of the latest takes for the best, so that a fallback still finds it."""
        kept = [step for step in self.steps() if step <= latest][-KEEP_LATEST:]
        bests = {self._read_manifest(step)["best"] for step in kept if not self._damage(step)}
        for path in self.directory.iterdir():
            name = path.name.partition(".")[0]  # 12, 12.json, 12.new.orbax-checkpoint-tmp
            if name.isdecimal() and int(name) not in bests.union(kept):
                self._remove(int(name))

    def _remove(self, step: int) -> None:
        self._manifest(step).unlink(missing_ok=True)
        (self.directory / f"{step}.room").unlink(missing_ok=True)
        shutil.rmtree(self.directory / str(step), ignore_errors=True)
        for leftover in self.directory.glob(f"{step}.*orbax-checkpoint-tmp*"):
            shutil.rmtree(leftover, ignore_errors=True)


def flat_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by path, so that what is on disk depends on no Python type."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _describe(flat: dict[str, Any]) -> dict[str, str]:
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in flat.items()}


def _undescribed(leaves: dict[str, str]) -> dict[str, jax.ShapeDtypeStruct]:
    """The inverse of `_describe`."""
    found = {}
    for name, text in leaves.items():
        dtype, _, shape = text.partition("[")
        found[name] = jax.ShapeDtypeStruct(json.loads(f"[{shape}"), jnp.dtype(dtype))
    return found


def _hashes(directory: Path) -> dict[str, str]:
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory.name}/ is missing")
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _checkpointer() -> Any:
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.CRITICAL)
    # Else orbax would wait for the other processes of a run, of which only one comes here.
    here = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=here, active_processes={here}, barrier_sync_key_prefix=f"process{here}"
    )
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _orbax_save(path: Path, flat: dict[str, Any]) -> None:
    import orbax.checkpoint as ocp

    # Of arrays on devices of several processes orbax takes only those that all of them save.
    arrays = flat if jax.process_count() == 1 else jax.device_get(flat)
    _checkpointer().save(path, args=ocp.args.StandardSave(arrays))


def _orbax_restore(path: Path, flat: dict[str, Any]) -> dict[str, jax.Array]:
    import orbax.checkpoint as ocp

    # Without a placement orbax wants the devices, as many, on which it was saved.
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here)
        for name, leaf in flat.items()
    }
    restored = _checkpointer().restore(path, args=ocp.args.StandardRestore(abstract))
    # What orbax gives is tied to a device, for which jit would compile once more.
    return {name: jnp.array(jax.device_get(restored[name])) for name in flat}
