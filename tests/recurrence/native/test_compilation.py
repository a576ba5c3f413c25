"""Where compiled kernels are kept."""

import os
import time
from pathlib import Path

import pytest

from asrnn.recurrence.native import compilation


def test_the_cache_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(tmp_path))
    folder = compilation.cache_dir()
    assert folder == tmp_path / "native"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(compilation.Unavailable, match="can be written by others"):
        compilation.cache_dir()
    monkeypatch.delenv("ASRNN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compilation.cache_dir() == tmp_path / "asrnn" / "native"


def test_a_cache_that_cannot_be_made_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(compilation.Unavailable, match="cannot use the cache folder"):
        compilation.cache_dir()


@pytest.mark.parametrize("variable", ["ASRNN_CACHE_DIR", "XDG_CACHE_HOME"])
def test_a_cache_in_the_home_of_nobody_is_a_reason(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASRNN_CACHE_DIR", raising=False)
    monkeypatch.setenv(variable, "~no-such-user/x")
    with pytest.raises(compilation.Unavailable, match=f"{variable}=~no-such-user/x: no such user"):
        compilation.cache_dir()


def test_a_compilation_says_that_it_has_begun_and_how_long_it_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with compilation.announced("c++", "the kernel"):
        begun = "compiling the kernel with c++: a minute or two, once\n"
        assert capsys.readouterr().err == begun
    assert capsys.readouterr() == ("", "compiled the kernel in 0 s\n")


def test_what_a_killed_build_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name, age in (("build-old", 3 * compilation.COMPILER_SECONDS), ("build-new", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel.o").touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    compilation.remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["build-new"]
