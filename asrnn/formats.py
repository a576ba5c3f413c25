"""Trained networks as files for other programs: their parameters, or a function that runs alone.

npz, safetensors   the parameters by dotted name, and where they come from as text
stablehlo          a function of sequences, or of one step, with the parameters within it;
                   `jax.export.deserialize` reads it, and no other part of this package
"""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from asrnn.errors import ConfigError
from asrnn.files import replacing_output
from asrnn.models import SequenceNetwork
from asrnn.models.network import arrays
from asrnn.runs.checkpoints import flat_leaves
from asrnn.trained import TrainedNetwork
from asrnn.typing import Array, Carry, Step

PLATFORMS = ("cpu", "cuda", "tpu")
"""Where an exported function can run."""

METADATA = "metadata"
"""The entry of an .npz with the text that a .safetensors file has in its header."""


def write_network(network: TrainedNetwork, kind: str, path: Path, *, step: bool = False) -> None:
    """Writes a trained network into a file.

    Args:
      network: as `asrnn.load` gives it.
      kind: a name of `FORMATS`.
      path: of the file.
      step: of stablehlo: the function of one step instead of that of sequences.

    Raises:
      ConfigError: if a library is missing, or there is no such function.
      CheckpointError: if the file cannot be written.
    """
    content = _stablehlo(step_function(network)) if step else FORMATS[kind](network)
    with replacing_output(path) as temporary:
        temporary.write_bytes(content)


def _npz(network: TrainedNetwork) -> bytes:
    buffer = io.BytesIO()
    text = np.array(json.dumps(_metadata(network)))
    np.savez(buffer, allow_pickle=False, **_parameters(network), **{METADATA: text})
    return buffer.getvalue()


def _safetensors(network: TrainedNetwork) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError:
        raise _missing("safetensors") from None
    content: bytes = save(_parameters(network), _metadata(network))
    return content


def _parameters(network: TrainedNetwork) -> dict[str, np.ndarray]:
    return {name: np.asarray(leaf) for name, leaf in flat_leaves(network.params).items()}


def _metadata(network: TrainedNetwork) -> dict[str, str]:
    return {
        "framework": "asrnn",
        "step": str(network.step),
        "config": json.dumps(network.config.to_dict(), sort_keys=True),
    }


def sequence_function(network: TrainedNetwork) -> Any:
    """The network as `jax.export.Exported`: sequences float32 `[B, T, m]` -> outputs.

    The outputs are `[B, k]`, or `[B, T, k]` at every step: of classes before the softmax. B and T
    are free.
    """
    module, steps = _steps(network)

    def outputs(inputs: Array) -> Array:
        read = jnp.swapaxes(inputs, 0, 1)
        for step, carry in zip(steps, _start(module, inputs.shape[0]), strict=True):

            def hidden(carry: Carry, x: Array, step: Step = step) -> tuple[Carry, Array]:
                carry = step(carry, x)
                return carry, module.cell.hidden(carry)

            _, read = lax.scan(hidden, carry, read)
        found = module.read_out(read[-1], read)
        return jnp.swapaxes(found, 0, 1) if found.ndim == 3 else found

    batch, length = jax.export.symbolic_shape("B, T")
    inputs = _numbers(batch, length, network.experiment.task.input_size)
    return jax.export.export(jax.jit(outputs), platforms=PLATFORMS)(inputs)


def step_function(network: TrainedNetwork) -> Any:
    """One step as `jax.export.Exported`: (carry, input float32 `[B, m]`) -> (carry, outputs).

    The carry is a tuple of arrays, `in_avals` has their shapes; it begins with zeros. The outputs
    `[B, k]` are those of the network after the inputs so far. B is free.

    Raises:
      ConfigError: for a network that reads the mean over time, which no step has.
    """
    module, steps = _steps(network)
    if module.readout == "mean":
        raise ConfigError(
            "config.model.readout=mean reads all steps of a sequence, so a step has no output;"
            " export the network without --step"
        )
    inputs = _numbers(*jax.export.symbolic_shape("B"), network.experiment.task.input_size)
    start = jax.eval_shape(lambda inputs: _start(module, inputs.shape[0]), inputs)
    leaves, structure = jax.tree.flatten(start)

    def one_step(carry: tuple[Array, ...], inputs: Array) -> tuple[tuple[Array, ...], Array]:
        carries, read = [], inputs
        for step, own in zip(steps, jax.tree.unflatten(structure, carry), strict=True):
            carries.append(step(own, read))
            read = module.cell.hidden(carries[-1])
        return tuple(jax.tree.leaves(carries)), module.read_out(read, read)

    return jax.export.export(jax.jit(one_step), platforms=PLATFORMS)(tuple(leaves), inputs)


def _steps(network: TrainedNetwork) -> tuple[SequenceNetwork, list[Step]]:
    """The module, and the step of each layer.

    What the steps of a sequence share is computed here, so it is a constant of what is exported.
    """
    module = network.experiment.model.network(network.params)
    coefficients = network.experiment.hyper.coefficients
    return module, [module.cell.prepare(own, coefficients) for own in _layers(module)]


def _start(module: SequenceNetwork, batch_size: int) -> list[Carry]:
    return [module.cell.initial_carry(own, batch_size) for own in _layers(module)]


def _layers(module: SequenceNetwork) -> list[dict[str, Array]]:
    return [arrays(getattr(module, name)) for name in module.layer_names]


def _numbers(*shape: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _stablehlo(exported: Any) -> bytes:
    try:
        content: bytearray = exported.serialize()
    except ImportError:
        raise _missing("flatbuffers") from None
    return bytes(content)


def _missing(package: str) -> ConfigError:
    return ConfigError(
        f"this format needs {package}, which is not installed; run: pip install safetensors"
        " flatbuffers (the extra export)"
    )


FORMATS: dict[str, Callable[[TrainedNetwork], bytes]] = {
    "npz": _npz,
    "safetensors": _safetensors,
    "stablehlo": lambda network: _stablehlo(sequence_function(network)),
}
