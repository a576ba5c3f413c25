"""Times the recurrence and the train step beside their peers, in one process.

python -m asrnn.benchmark [--cases=A,B,N]
                          [--cells=antisymmetric,gated_antisymmetric]
                          [--work=forward,forward+backward,train-step,
                           evaluation]
                          [--systems=scan,scan-graph,scan-ab2,adjoint,native,
                           native-hamiltonian,native-ab2,native-bfloat16,
                           native-bfloat16_3x,flax-lstm,torch-rnn,
                           torch-gru,torch-lstm,torch-rnn-tf32,
                           torch-lstm-tf32,gemm-floor]
                          [--repeats=7] [--scaling] [--nomemory]
                          [--out=FILE.json]
python -m asrnn.benchmark --population=8,32,128 [--cases=D32,D128,A,B]
                          [--systems=scan,adjoint,native] [--repeats=7]
                          [--out=FILE.json]

All runs of a case and cell are interleaved. What each system does:
asrnn/benchmarks/. Only a GPU has scan-graph and those with tf32; on a CPU
bfloat16 takes one with AMX.
"""

from absl import flags

from asrnn.command import goes_only, loading, run

CASES = flags.DEFINE_list(
    "cases", "", "A (pixel MNIST), B (CIFAR-10), N (noise-padded); all by default."
)
CELLS = flags.DEFINE_list("cells", "", "antisymmetric, gated_antisymmetric; both by default.")
WORK = flags.DEFINE_list(
    "work", "", "forward, forward+backward, train-step, evaluation; all by default."
)
SYSTEMS = flags.DEFINE_list("systems", "", "The systems to compare; all by default.")
REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each.", lower_bound=1)
SCALING = flags.DEFINE_bool(
    "scaling", False, "Also follow forward+backward over growing T, B and n; half the repeats."
)
MEMORY = flags.DEFINE_bool(
    "memory", True, "Measure the peak memory of train steps, each in its own process."
)
POPULATION = flags.DEFINE_list(
    "population",
    [],
    "Measure instead populations of so many members against the same members one by one; cases"
    " D32 and D128 (digits, 32 and 128 units), A, and B, which is not among the default.",
)
OUT = flags.DEFINE_string(
    "out", None, "A JSON file for the rows; .md and, with --scaling, .png are put beside it."
)


def main() -> None:
    """Reads the flags, measures, prints the tables."""
    goes_only("without --population", not POPULATION.value, WORK, SCALING, MEMORY)
    loading("jax")
    from asrnn.benchmarks.environment import configure_jax, environment
    from asrnn.benchmarks.plan import checked_output, make_plan
    from asrnn.benchmarks.report import Report
    from asrnn.benchmarks.session import run_plan
    from asrnn.console import to_stderr

    plan = make_plan(
        CASES.value,
        CELLS.value,
        WORK.value,
        SYSTEMS.value,
        POPULATION.value,
        repeats=REPEATS.value,
        scaling=SCALING.value,
        memory=MEMORY.value,
    )
    out = checked_output(OUT.value)
    configure_jax()
    report = Report({"command": plan.command(), **environment()}, out)
    run_plan(plan, report, to_stderr)
    print(report.text())
    picture = report.draw()
    for path in filter(None, (out, picture)):
        print(f"written: {path}")


if __name__ == "__main__":
    run(main)
