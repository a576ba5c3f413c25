"""To what the operands of products are rounded: one switch, jax's own, for all backends."""

from contextlib import AbstractContextManager, nullcontext

import jax

from asrnn.errors import check_choice

DEFAULT = "default"
"""As jax is set."""
PRECISIONS = {"bfloat16": "BF16_BF16_F32", "bfloat16_3x": "BF16_BF16_F32_X3", "float32": "float32"}
"""Names, and those of `jax_default_matmul_precision`.

bfloat16 has 8 significant bits, and the range of float32. bfloat16_3x makes of each operand a sum
of two such numbers and adds three of their products, which is right to about 16 bits; an infinite
operand gives NaN. States, sums and everything elementwise are in float32.
"""


def products_in(precision: str) -> AbstractContextManager[None]:
    """A context: what is traced in it multiplies in a precision.

    Args:
      precision: a name of `PRECISIONS`, or `DEFAULT`, which leaves jax's own setting.

    Raises:
      ConfigError: for another name.
    """
    check_precision(precision)
    return nullcontext() if precision == DEFAULT else multiplying(PRECISIONS[precision])


def check_precision(precision: str) -> None:
    """Checks a name.

    Raises:
      ConfigError: if there is no such precision.
    """
    check_choice("recurrence.precision", precision, (DEFAULT, *PRECISIONS))


def multiplying(setting: str | None) -> AbstractContextManager[None]:
    """A context with another `jax_default_matmul_precision`.

    A backward pass by hand is traced when the forward pass has left its context, and enters it
    again.
    """
    context: AbstractContextManager[None] = jax.default_matmul_precision(setting)
    return context


def jax_precision() -> str | None:
    """`jax_default_matmul_precision`; None if it is not set."""
    setting: str | None = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return setting


def rounding() -> str | None:
    """What jax's setting admits on a CPU: a name of `PRECISIONS`; None for float32."""
    return {
        "bfloat16": "bfloat16",
        "BF16_BF16_F32": "bfloat16",
        "high": "bfloat16_3x",
        "tensorfloat32": "bfloat16_3x",
        "BF16_BF16_F32_X3": "bfloat16_3x",
    }.get(jax_precision() or "")
