"""The wheel, in an environment that has the libraries and no clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.training.runs import PATIENCE, REPOSITORY, environment

SOURCES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
FOLDERS = ("asrnn", "configs", "experiments")
FREE = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
"""An environment in which nothing leads to the clone."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment with the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, clone / name)
    for name in SOURCES:
        shutil.copy(REPOSITORY / name, clone)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(clone)]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *build], check=True, env=FREE)
    shutil.rmtree(clone)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout
    install = ["install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, *install], check=True, env=FREE)
    # after that, for pip would find the clone among the libraries
    Path(site.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


@pytest.mark.slow
@pytest.mark.ci
def test_the_installed_command_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    path = {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"}

    def asrnn(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["asrnn", *words],
            executable=installed / "asrnn",
            cwd=tmp_path,
            env=FREE | path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    trained = asrnn("train", "--config=digits", "--config.training.steps=20")
    assert trained.returncode == 0, trained.stderr
    assert "test accuracy" in trained.stdout
    assert "starting, workdir runs/digits-antisymmetric-" in trained.stderr
    (workdir,) = (tmp_path / "runs").iterdir()
    evaluated = asrnn("evaluate", f"--workdir={workdir}")
    assert evaluated.stdout.startswith("test accuracy "), evaluated.stderr

    dry = asrnn("train", "--config=mnist:gated", "--dry_run")
    assert dry.stdout.endswith(f"{'9,930':>12}\n"), dry.stderr
    trials = asrnn("sweep", "--config=mnist", "--space=mnist", "--dry_run")
    assert len(trials.stdout.splitlines()) == 12 + 1, trials.stderr  # and a line on all of them
    table = asrnn("reproduce", "table1", "--norun")
    assert table.stdout.startswith("# Table 1"), table.stderr
    helped = asrnn("train", "--help").stdout
    assert "noise_padded_cifar10" in helped and "--config" in helped
