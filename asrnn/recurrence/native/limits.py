"""What a native kernel cannot do, said in one line where jax would speak of FFI targets."""

from collections.abc import Sequence
from typing import Any, NoReturn

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

from asrnn.errors import ConfigError

_limited = Primitive("asrnn_native_limits")


def in_this_process_once_differentiated(operand: jax.Array) -> jax.Array:
    """The operand of a native call itself, which refuses what the call cannot do.

    Raises:
      ConfigError: when it is differentiated (a call has a backward pass, and that has none), or
        lowered for `jax.export` (only a process that has loaded the kernel can run it).
    """
    limited: jax.Array = _limited.bind(operand)
    return limited


def _no_derivative(*_: Any, **__: Any) -> NoReturn:
    raise ConfigError(
        "the native recurrence has gradients and no gradients of these; give"
        ' backend="scan" for the second derivative'
    )


def _lowering(context: mlir.LoweringRuleContext, operand: Any) -> Sequence[Any]:
    # Without this attribute, in another version of jax, jax itself refuses, in more words.
    if getattr(context.module_context.lowering_parameters, "for_export", False):
        raise ConfigError(
            'the native recurrence cannot be exported; give backend="scan" for jax.export'
        )
    return [operand]


_limited.def_impl(lambda operand: operand)
_limited.def_abstract_eval(lambda operand: operand)
ad.primitive_jvps[_limited] = _no_derivative
mlir.register_lowering(_limited, _lowering)
