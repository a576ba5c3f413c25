"""experiments/cuda_schedule.py finds the loop over time and follows its schedule."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from asrnn.recurrence.native.cuda.variant import Variant

SCRIPT = Path(__file__).parents[1] / "experiments" / "cuda_schedule.py"
NO_BARRIER = 7


@pytest.fixture(scope="module")
def schedule() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cuda_schedule", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(text: str, stall: int, *, sets: int = NO_BARRIER, waits: int = 0) -> str:
    """An instruction as nvdisasm prints it, that waits for a mask of barriers."""
    control = stall << 41 | sets << 46 | NO_BARRIER << 49 | waits << 52
    return f"        /*0a40*/   {text} ;   /* 0x0000000402037223 */\n   /* 0x{control:016x} */\n"


def loop_over_time(read: str) -> str:
    """A read of the vector, a product that waits for it, and the block's barrier."""
    return (
        ".L_x_2:\n"
        + line(f"{read} R8, [R2]", 1, sets=0)
        + line("FFMA R4, R8, R6, R4", 4, waits=1)
        + line("BAR.SYNC.DEFER_BLOCKING 0x0", 5)
        + line("@!P0 BRA `(.L_x_2)", 5)
    )


def kernel(name: str, loop: str) -> str:
    """A loop without a barrier, and the one over time within another one."""
    return (
        f".text.{name}:\n"
        + ".L_x_0:\n"
        + line("FADD R1, R1, R2", 4)
        + line("@P1 BRA `(.L_x_0)", 5)
        + ".L_x_1:\n"
        + line("MOV R4, RZ", 4)
        + loop
        + line("BRA `(.L_x_1)", 5)
        + line("EXIT", 5)
        + "\n\t.section\t.nv.info\n"
    )


DISASSEMBLY = kernel("asrnn_backward", loop_over_time("LDS")) + kernel(
    "asrnn_forward", loop_over_time("LDS.128")
)


def test_the_loop_is_the_innermost_one_with_a_barrier(schedule: ModuleType) -> None:
    read, product, barrier, branch = schedule.loop(DISASSEMBLY, "asrnn_forward")
    assert read == ("LDS", True, 1, (0,), ())
    assert product == ("FFMA", False, 4, (), (0,))
    assert barrier == ("BAR", False, 5, (), ())
    assert branch == ("BRA", False, 5, (), ())
    assert not schedule.loop(DISASSEMBLY, "asrnn_backward")[0].wide


@pytest.mark.parametrize(
    ("name", "warps", "expected"),
    [
        # The meeting, the branch, the read and the product: 20 + 5 + (29 + 3) + 4.
        ("asrnn_backward", 1, 61),
        # A wide read keeps the path for 16 cycles, of which the first 4 are in the latency.
        ("asrnn_forward", 1, 70),
        # The second warp's read waits for the first one's.
        ("asrnn_forward", 2, 86),
    ],
)
def test_cycles_of_a_step(schedule: ModuleType, name: str, warps: int, expected: float) -> None:
    assert schedule.cycles(schedule.loop(DISASSEMBLY, name), warps) == expected


def test_another_loop_is_refused(schedule: ModuleType) -> None:
    body = schedule.loop(DISASSEMBLY, "asrnn_forward")
    product = body[1]
    variant = Variant(units=32, inputs=1, gated=False)  # 32 products a thread
    assert schedule.products([product] * 34, variant) == 34
    for wrong in (31, 41):
        with pytest.raises(SystemExit, match=f"the loop has {wrong} FFMA, expected about 32"):
            schedule.products([product] * wrong, variant)
