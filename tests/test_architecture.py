"""The plan of the house: which room may know which, read from the imports.

A room is a folder or a file right below `asrnn/`. Imports within functions count: they
postpone a cost, not a dependency.
"""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "asrnn"

COMMANDS = {"train", "evaluate", "predict", "export"} | {
    *("prepare", "sweep", "reproduce", "report", "benchmark", "completion"),
    "runs.__main__",
}

GROUND = {"errors", "lazy", "typing", "options", "files", "console", "progress", "shipped"}
"""What every room above them may use."""

MODELLING = {"dynamics", "recurrence", "models"}

COMPONENTS = {"dynamics", "tasks", "objectives", "optimizers"}
"""The rooms whose tables declare fields of the config."""

ALLOWED = {
    "errors": set(),
    "lazy": set(),
    "typing": {"lazy"},
    "console": set(),
    "progress": {"console"},
    "files": {"errors"},
    "options": {"errors"},
    "shipped": {"errors"},
    "shell_completion": set(),
    "signals": {"errors"},
    "dynamics": {"errors", "lazy", "typing", "options"},
    "objectives": {"errors", "lazy", "typing", "options", "console"},
    "optimizers": {"errors", "lazy", "typing", "options"},
    "tasks": {"objectives"} | GROUND,
    "recurrence": {"dynamics"} | GROUND,
    "models": {"dynamics", "recurrence"} | GROUND,
    "frame": COMPONENTS | GROUND,
    "config": {"frame"} | COMPONENTS | GROUND,
    "runs": {"config"} | GROUND,
    "training": {"config", "runs", "signals", "pretrained"} | MODELLING | COMPONENTS | GROUND,
    "pretrained": {"config"} | GROUND,
    "trained": {"config", "runs", "training", "pretrained"} | MODELLING | COMPONENTS | GROUND,
    "formats": {"trained", "runs"} | MODELLING | GROUND,
    "sweeps": {"config", "frame", "runs", "signals", "training"} | MODELLING | COMPONENTS | GROUND,
    "reports": {"config", "objectives", "runs", "sweeps"} | GROUND,
    "paper": {"config", "runs", "training", "sweeps", "reports"} | MODELLING | COMPONENTS | GROUND,
    "benchmarks": {"config", "training"} | MODELLING | COMPONENTS | GROUND,
    "command": {"config", "signals"} | GROUND,
    "__main__": {"signals", "__init__"} | GROUND,
    "__init__": {"training", "trained", "signals"} | MODELLING,
}
"""Whom each room may import besides itself."""

OWNERS = {
    "orbax": {"runs.checkpoints"},
    "tensorboardX": {"runs.loggers"},
    "wandb": {"runs.loggers"},
    "rich": {"progress", "training.display", "sweeps.progress_table", "reports.run_list"},
    "jinja2": {"reports"},
    "plotly": {"reports"},
    "tensorflow_datasets": {"tasks"},
    "sklearn": {"tasks"},
    "PIL": {"tasks"},
    "matplotlib": {"reports", "paper", "benchmarks.figure"},
    "absl": {"command", *COMMANDS},
    "optax": {"optimizers", "training"},
    "flax": {"models", "training", "benchmarks"},
    "tensorflow": set(),
    "torch": {"benchmarks"},
    "optuna": {"sweeps", "reports.importance"},
    "ray": {"sweeps"},
    "safetensors": {"formats"},
}
"""Libraries that only these files or rooms may import."""

HEAVY = (
    *("tensorflow", "tensorflow_datasets", "orbax", "matplotlib", "sklearn", "PIL"),
    *("torch", "optuna", "ray", "tensorboardX", "wandb", "safetensors"),
    *("jinja2", "plotly", "rich"),
)


def module_name(path):
    """asrnn/tasks/task.py -> "tasks.task"; a folder's __init__.py -> the folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def imported_names(module):
    """Every dotted name that a file imports, "a.b.c" also for `from a.b import c`."""
    return tuple(_imported_names(module))


def _imported_names(module):
    path = FILES[module]
    package = ("asrnn", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imported_modules(module):
    """The files of this package that a file imports."""
    found = set()
    for name in imported_names(module):
        parts = name.split(".")
        if parts[0] != "asrnn":
            continue
        candidates = [".".join(parts[1:]), ".".join(parts[1:-1]) or "__init__"]
        found.add(next(known for known in candidates if known in FILES))
    return found


def room(module):
    """Its first part; `python -m asrnn.runs`, a command, is none of the room of its name."""
    return module if module.endswith(".__main__") else module.split(".")[0]


def test_the_walk_sees_the_imports_it_should():
    assert "dynamics.tanh_field" in imported_modules("models.network")
    assert "training.loop" in imported_modules("train")  # within a function
    assert "training.dispatch_size" in imported_modules("training.loop")  # from a room
    assert "orbax.checkpoint" in set(imported_names("runs.checkpoints"))


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_room_knows_only_whom_the_plan_allows(module):
    allowed = (
        set(ALLOWED) - {"__init__"}
        if room(module) in COMMANDS
        else ALLOWED.get(room(module), set())
    )
    strangers = {
        other for other in imported_modules(module) if room(other) not in allowed | {room(module)}
    }
    assert not strangers, f"asrnn.{module} must not import {sorted(strangers)}"


def test_every_file_is_in_a_room_of_the_plan():
    assert {room(module) for module in FILES} <= ALLOWED.keys() | COMMANDS


@pytest.mark.parametrize("module", sorted(FILES))
def test_nobody_imports_a_command_or_the_package_itself(module):
    strangers = {o for o in imported_modules(module) if room(o) in COMMANDS | {"__init__"}}
    assert not strangers - {module} - ({"__init__"} if module == "__main__" else set())


@pytest.mark.parametrize("module", [name for name in FILES if room(name) == "dynamics"])
def test_dynamics_are_jax_and_numpy_only(module):
    libraries = {name.split(".")[0] for name in imported_names(module)}
    assert libraries - set(sys.stdlib_module_names) <= {"jax", "numpy", "asrnn"}


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_a_library_is_known_only_to_its_owner(library):
    users = {
        module
        for module in FILES
        if any(name.split(".")[0] == library for name in imported_names(module))
    }
    strangers = {user for user in users if not {user, room(user)} & OWNERS[library]}
    assert not strangers


def test_no_file_imports_itself_around_a_corner():
    remaining = {module: imported_modules(module) - {module} for module in FILES}
    while leaves := {module for module, others in remaining.items() if not others}:
        remaining = {m: others - leaves for m, others in remaining.items() if m not in leaves}
    assert not remaining, f"a cycle among {sorted(remaining)}"


@pytest.mark.parametrize("module", sorted(COMMANDS & FILES.keys()))
def test_a_command_is_thin(module):
    tree = ast.parse(FILES[module].read_text())
    assert sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)) == 0
    assert len(FILES[module].read_text().splitlines()) < 120


def test_who_reads_a_config_or_a_run_does_not_wait_for_jax_and_heavier_libraries():
    wanted = "asrnn, asrnn.config, asrnn.command, asrnn.runs.workdir, asrnn.runs.metrics"
    heavy = (*HEAVY, "jax", "flax", "optax", "scipy")
    code = f"import sys, {wanted}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
