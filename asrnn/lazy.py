"""jax, imported when it is first used.

That takes a second or more. Whoever only reads options, a config or a finished run needs none of
it, so the files that declare options take it from here.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["jax", "jnp", "lax", "linalg"]

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import lax
    from jax.scipy import linalg
else:

    class LazyModule(ModuleType):
        """Has the attributes of a module, which is imported when the first of them is wanted."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):  # what inspect and doctest ask of every module
                raise AttributeError(name)
            return getattr(import_module(self.__name__), name)

    jax, jnp = LazyModule("jax"), LazyModule("jax.numpy")
    lax, linalg = LazyModule("jax.lax"), LazyModule("jax.scipy.linalg")
