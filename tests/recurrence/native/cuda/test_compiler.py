"""Compiling the kernels needs no GPU, so what they take of one is known without it."""

import os
import shutil
from pathlib import Path

import pytest

from asrnn.recurrence.native.compilation import Unavailable
from asrnn.recurrence.native.cuda import compiler, nvrtc
from asrnn.recurrence.native.cuda.compiler import NvccCompiler, NvrtcCompiler
from asrnn.recurrence.native.cuda.variant import Variant, make_variant

# The networks of the paper's tables (MNIST, CIFAR-10 and noise-padded CIFAR-10, and the ablation),
# and two that are close to all that registers hold.
SIZES = ((128, 1), (256, 3), (256, 96), (196, 3), (196, 96), (160, 4), (192, 4))
LARGEST = make_variant(256, 96, True)
PAPER = [
    pytest.param(variant, id=str(variant), marks=() if variant == LARGEST else pytest.mark.slow)
    for variant in (
        make_variant(units, inputs, gated) for units, inputs in SIZES for gated in (False, True)
    )
]
REGISTERS = 255  # of a thread at most, on every GPU so far
SHARED_BYTES = 99 * 1024  # of a block, on the GPUs that allow least since compute capability 8.0


@pytest.fixture(params=["nvrtc", "nvcc"])
def compile_(request: pytest.FixtureRequest) -> compiler.Compiler:
    """A compiler that is there."""
    if request.param == "nvcc":
        path = shutil.which("nvcc")
        if path is None:
            pytest.skip("no nvcc")
        return NvccCompiler(path)
    path = next(nvrtc.find_libraries(), None)
    if path is None:
        pytest.skip("no NVRTC")
    return NvrtcCompiler(path)


@pytest.mark.parametrize("variant", PAPER)
def test_the_paper_s_networks_fit_the_registers(
    variant: Variant, compile_: compiler.Compiler
) -> None:
    image, report = compile_(compiler.options_of(variant, "sm_90"))
    assert image[:4] == b"\x7fELF"
    usage = compiler.usage(report)
    assert set(usage) == {"asrnn_forward", "asrnn_backward"}
    for registers, spill_bytes in usage.values():
        assert registers <= REGISTERS
        # Beyond 192 units a few values may be read back from the cache in a step of 400
        # instructions: versions of the compiler differ in how many.
        assert spill_bytes <= (0 if variant.units <= 192 else 64)


@pytest.mark.parametrize(
    "architecture",
    [
        "sm_80",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("sm_86", "sm_90", "sm_100")),
        "sm_120",
    ],
)
def test_every_architecture_since_8_0(architecture: str, compile_: compiler.Compiler) -> None:
    image, _ = compile_(compiler.options_of(make_variant(70, 2, True), architecture))
    assert image[:4] == b"\x7fELF"


@pytest.mark.parametrize("units", range(1, 257, 17))
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("inputs", [1, 4, 5])
def test_every_size_fits_the_shared_memory(units: int, gated: bool, inputs: int) -> None:
    variant = make_variant(units, inputs, gated)
    assert 4 * variant.lanes * variant.quads >= units
    assert max(variant.forward_bytes, variant.backward_bytes) <= SHARED_BYTES


def test_a_layout_that_the_source_does_not_share_is_refused(
    compile_: compiler.Compiler,
) -> None:
    options = compiler.options_of(make_variant(8, 1, False), "sm_90")
    wrong = [one.replace("FORWARD_SHARED=", "FORWARD_SHARED=1") for one in options]
    with pytest.raises(Unavailable, match="static assertion failed"):
        compile_(wrong)


def test_an_image_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASRNN_CACHE_DIR", str(tmp_path))
    calls = []

    def fake(options: tuple[str, ...]) -> tuple[bytes, str]:
        calls.append(options)
        return b"\x7fELF", ""

    fake.name = "a compiler 1.0"  # type: ignore[attr-defined]
    monkeypatch.setattr(compiler, "find_compiler", lambda: fake)
    variant = make_variant(8, 1, False)
    assert [compiler.image(variant, "sm_90") for _ in range(2)] == [b"\x7fELF"] * 2
    assert len(calls) == 1
    compiler.image(variant, "sm_80")
    fake.name = "a compiler 2.0"  # type: ignore[attr-defined]
    compiler.image(variant, "sm_90")
    assert len(calls) == 3
    kept = list((tmp_path / "native").iterdir())
    assert {path.suffix for path in kept} == {".cubin", ".sha256"}
    for path in (tmp_path / "native").glob("*.cubin"):
        path.write_bytes(b"\x7fELX")
    assert compiler.image(variant, "sm_90") == b"\x7fELF"
    assert len(calls) == 4


@pytest.fixture
def no_nvrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "find_libraries", lambda: iter(["/nonexistent/libnvrtc.so"]))
    compiler.find_compiler.cache_clear()
    yield
    compiler.find_compiler.cache_clear()


def test_nvcc_takes_the_place_of_nvrtc(
    no_nvrtc: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nvcc = tmp_path / "nvcc"
    nvcc.write_text('#!/bin/sh\necho "Cuda compilation tools, release 13.0, V13.0.88"\n')
    nvcc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert "release 13.0, V13.0.88" in compiler.find_compiler().name


def test_says_that_there_is_no_compiler(
    no_nvrtc: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"neither NVRTC \(pip install 'jax\[cuda13\]'\) nor"):
        compiler.find_compiler()


def test_says_that_nvcc_failed(tmp_path: Path) -> None:
    nvcc = tmp_path / "nvcc"
    nvcc.write_text('#!/bin/sh\n[ "$1" = --version ] || { echo "x.cu(1): error: old"; exit 1; }\n')
    nvcc.chmod(0o755)
    with pytest.raises(Unavailable, match=r"^nvcc failed: x.cu\(1\): error: old$"):
        NvccCompiler(str(nvcc))(())
