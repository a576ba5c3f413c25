"""A time step of the CUDA kernels by the compiler's own schedule: a model, no measurement.

python experiments/cuda_schedule.py [ARCHITECTURE]    # sm_90 by default; needs NVRTC or nvcc,
                                                      # and nvdisasm on the path

The machine code of the loop over time is disassembled. Each instruction carries the cycles that the
compiler lets pass before the next one, and the results it has to wait for; those of instructions
whose latency varies are taken from the table below. The warps of one scheduler run the loop on this
model, in turns, and share with the other three schedulers of the multiprocessor the path from
shared memory to the registers, 128 bytes a cycle. Global memory is taken to answer in time.

Sources: the encoding of stalls and barriers is that of Z. Jia, M. Maggioni, B. Staiger and
D. P. Scarpazza, Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking (2018), section
2.1; latencies of Hopper as in W. Luo et al., Benchmarking and Dissecting the Nvidia Hopper GPU
Architecture via Microbenchmarking (2024), rounded, and where that paper has none, those of Volta.
"""

import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from asrnn.recurrence.native.cuda import compiler
from asrnn.recurrence.native.cuda.variant import WARP, Variant, make_variant

SCHEDULERS = 4  # of a multiprocessor
CLOCK = 1.98e9  # of an H200 at its boost, per second
STEPS = 40  # of the loop that are followed; the first half is left out
CASES = {
    "A, plain": (784, make_variant(128, 1, False)),
    "A, gated": (784, make_variant(128, 1, True)),
    "B, plain": (1024, make_variant(256, 3, False)),
    "B, gated": (1024, make_variant(256, 3, True)),
}
# Cycles until a result is there, for instructions that signal a barrier.
LATENCY = {"LDS": 29, "SHFL": 24, "MUFU": 24, "LDC": 30, "S2R": 20, "LDL": 33, "R2UR": 12}
OTHER_LATENCY = 20
# A label, or an instruction with the two halves of its encoding; the second has the schedule.
LINE = re.compile(r"(\.L_x_\d+):|/\*[0-9a-f]{4,}\*/\s+(.*?);\s+/\* 0x\w+ \*/\s+/\* (0x\w+) \*/")
MEETING = 20  # from the last warp's arrival at a barrier of the block to the first one's departure


class Instruction(NamedTuple):
    """One line of the loop.

    Attributes:
      name: the operation.
      wide: whether it moves 16 bytes a thread.
      stall: cycles until the same warp may issue the next one.
      sets: the barriers that it releases when it is complete.
      waits: those it waits for.
    """

    name: str
    wide: bool
    stall: int
    sets: tuple[int, ...]
    waits: tuple[int, ...]

    @property
    def transfer(self) -> int:
        """Cycles on the path from shared memory to the registers, of all schedulers' warps."""
        if self.name not in ("LDS", "LDL", "SHFL"):
            return 0
        return SCHEDULERS * (4 if self.wide else 1)


def disassembled(image: bytes) -> str:
    """The machine code, with its encoding."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.cubin"
        path.write_bytes(image)
        command = ["nvdisasm", "-c", "-hex", str(path)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def loop(text: str, kernel: str) -> list[Instruction]:
    """The loop over time of a kernel: the innermost that holds a barrier of the block."""
    body = text.split(f".text.{kernel}:")[1].split("\n\t.section")[0]
    found: list[tuple[str, Instruction]] = []
    labels: dict[str, int] = {}
    for match in LINE.finditer(body):
        label, line, control = match.groups()
        if label:
            labels[label] = len(found)
        else:
            found.append((line, _decoded(line, int(control, 16))))
    loops = []
    for end, (line, _) in enumerate(found):
        target = re.search(r"BRA.*`\((\.L_x_\d+)\)", line)
        begin = labels.get(target.group(1), end) if target else end
        inside = [one for _, one in found[begin : end + 1]]
        if begin < end and any(one.name == "BAR" for one in inside):
            loops.append(inside)
    return min(loops, key=len)


def products(body: list[Instruction], variant: Variant) -> int:
    """The multiply-adds of a thread in the loop.

    Raises:
      SystemExit: if they are not about those of A h, so that it is not the loop over time.
    """
    found = sum(one.name == "FFMA" for one in body)
    wanted = variant.units**2 // variant.threads
    if not wanted <= found <= 1.25 * wanted:
        raise SystemExit(f"the loop has {found} FFMA, expected about {wanted}: it is another one")
    return found


def _decoded(line: str, control: int) -> Instruction:
    words = [word for word in line.split() if not word.startswith("@")]
    name, *modifiers = words[0].split(".")
    stall, bits = (control >> 41) & 15, control >> 46
    sets = tuple(barrier for barrier in (bits & 7, (bits >> 3) & 7) if barrier != 7)
    waits = tuple(barrier for barrier in range(6) if (bits >> 6 >> barrier) & 1)
    return Instruction(name, "128" in modifiers, stall, sets, waits)


def cycles(body: list[Instruction], warps: int) -> float:
    """Cycles of a step, when so many warps of a scheduler run the loop."""
    position = [0] * warps
    ready = [0.0] * warps
    barriers = [[0.0] * 6 for _ in range(warps)]
    met: list[float] = []
    arrived = 0
    path_free, issue_free = 0.0, 0.0
    while min(position) < STEPS * len(body):
        waiting = [
            max([ready[w], *(barriers[w][b] for b in body[position[w] % len(body)].waits)])
            for w in range(warps)
        ]
        warp = min(range(warps), key=lambda w: (max(waiting[w], issue_free), position[w]))
        now = max(waiting[warp], issue_free)
        one = body[position[warp] % len(body)]
        issue_free = now + 1
        ready[warp] = now + max(one.stall, 1)
        position[warp] += 1
        done = now + LATENCY.get(one.name, OTHER_LATENCY)
        if one.transfer:
            path_free = max(path_free, now) + one.transfer
            done = max(done, path_free + LATENCY[one.name] - one.transfer / SCHEDULERS)
        for barrier in one.sets:
            barriers[warp][barrier] = max(barriers[warp][barrier], done)
        if one.name == "BAR":
            arrived += 1
            ready[warp] = math.inf
            if arrived == warps:
                arrived = 0
                met.append(now)
                ready = [now + MEETING] * warps
    half = len(met) // 2
    return (met[-1] - met[half]) / (len(met) - 1 - half)


def rows(architecture: str) -> Iterator[tuple[str, ...]]:
    """Of the table: case, kernel, registers, ..."""
    make = compiler.find_compiler()
    for name, (steps, variant) in CASES.items():
        image, report = make(compiler.options_of(variant, architecture))
        text, usage = disassembled(image), compiler.usage(report)
        for kernel in ("forward", "backward"):
            body = loop(text, f"asrnn_{kernel}")
            step = cycles(body, _warps(variant))
            found = usage[f"asrnn_{kernel}"]
            yield (
                name,
                kernel,
                str(found.registers),
                str(found.spill_bytes),
                str(len(body)),
                str(products(body, variant)),
                f"{step:.0f}",
                f"{1e3 * steps * step / CLOCK:.2f}",
            )


def _warps(variant: Variant) -> int:
    return -(-variant.threads // (WARP * SCHEDULERS))


def main() -> None:
    """Prints the table."""
    if shutil.which("nvdisasm") is None:
        sys.exit(
            "cuda_schedule: no nvdisasm on the path; it is in the package nvidia-cuda-nvdisasm"
        )
    header = ("case", "kernel", "registers", "spill bytes", "instructions", "FFMA", "cycles", "ms")
    table = [header, *rows(sys.argv[1] if len(sys.argv) > 1 else "sm_90")]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    main()
