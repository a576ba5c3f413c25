"""Writes a trained network for other programs, or puts it among those that ship.

  python -m asrnn.export --workdir=DIR --format=npz      # or safetensors
  python -m asrnn.export --workdir=DIR --format=stablehlo         # a function
  python -m asrnn.export --workdir=DIR --format=stablehlo --step  # of one step
  python -m asrnn.export --pretrained=NAME --format=npz --out=FILE
  python -m asrnn.export --workdir=DIR --name=NAME --command='asrnn train ...'

npz and safetensors hold the parameters, stablehlo the network as a function.
With --name it is then `asrnn.load("NAME")`, and --pretrained=NAME of evaluate
and predict.
"""

from pathlib import Path

from absl import flags

from asrnn.command import goes_only, loading, network_flags, required, run
from asrnn.errors import ConfigError

NETWORK = network_flags()
FORMAT = flags.DEFINE_enum(
    "format", None, ["npz", "safetensors", "stablehlo"], "Parameters, or the network as a function."
)
OUT = flags.DEFINE_string(
    "out", None, "The file; by default network.FORMAT or step.FORMAT in the folder of the run."
)
STEP = flags.DEFINE_bool("step", False, "With stablehlo: the function of one step.")
NAME = flags.DEFINE_string("name", None, "What a network that ships will be called.")
COMMAND = flags.DEFINE_string("command", None, "The command that trains it; it is recorded.")
NOTE = flags.DEFINE_string("note", "", "Recorded too: what it was trained on, for example.")


def main() -> None:
    """Writes the file, or two files of a network that ships; prints the path of the first."""
    network = NETWORK()
    goes_only("without --format", not FORMAT.value, NAME, COMMAND, NOTE)
    goes_only("with --format", bool(FORMAT.value), OUT)
    goes_only("with --format=stablehlo", FORMAT.value == "stablehlo", STEP)
    loading("jax")
    from asrnn.training.devices import configure_jax

    configure_jax()
    print(f"written: {_write(network) if FORMAT.value else _ship(network)}")


def _write(network: str | Path) -> Path:
    from asrnn.formats import write_network
    from asrnn.trained import load

    name = f"{'step' if STEP.value else 'network'}.{FORMAT.value}"
    default = network / name if isinstance(network, Path) else Path(f"{network}-{name}")
    path = Path(OUT.value) if OUT.value else default
    write_network(load(network), str(FORMAT.value), path, step=bool(STEP.value))
    return path


def _ship(network: str | Path) -> Path:
    from asrnn.trained import export

    if isinstance(network, str):
        raise ConfigError(f"the network {network} ships already; give --format, or a --workdir")
    example = "'asrnn train --config=mnist:gated'"
    return export(
        network, required(NAME, "mnist-gated"), required(COMMAND, example), str(NOTE.value)
    )


if __name__ == "__main__":
    run(main)
