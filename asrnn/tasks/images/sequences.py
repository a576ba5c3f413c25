"""From images to sequences: pure functions on the device, images [B, H, W, Ch] to [T, B, m].

Images are uint8, or float32 where `pooled` or `standardized` has been at work; these are taken
as they are.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def _scaled(pixels: jax.Array) -> jax.Array:
    """uint8 0..255 to float32 x / 255 in [0, 1], the scaling of the paper's successors."""
    return pixels.astype(jnp.float32) / 255.0 if pixels.dtype == jnp.uint8 else pixels


def pooled(images: jax.Array, size: int) -> jax.Array:
    """The mean over each square of size x size pixels, of x / 255.

    Args:
      images: uint8 [B, H, W, Ch]; `size` divides H and W.
      size: k.

    Returns:
      float32 [B, H / k, W / k, Ch] in [0, 1].
    """
    batch, height, width, channels = images.shape
    squares = images.reshape(batch, height // size, size, width // size, size, channels)
    return _scaled(squares).mean((2, 4))


def standardized(images: jax.Array, mean: tuple[float, ...], std: tuple[float, ...]) -> jax.Array:
    """(x / 255 - mean) / std for each channel.

    Args:
      images: uint8 [B, H, W, Ch], or what `pooled` returned.
      mean: one for each channel.
      std: likewise.

    Returns:
      float32 [B, H, W, Ch].
    """
    offset, scale = (jnp.array(v, jnp.float32).reshape(1, 1, 1, -1) for v in (mean, std))
    return (_scaled(images) - offset) / scale


def pixels(images: jax.Array) -> jax.Array:
    """One pixel a step in scanline order, from the top left to the bottom right.

    x_t = image[t // W, t % W, :] / 255, so T = H W and m = Ch.

    Args:
      images: uint8 [B, H, W, Ch].

    Returns:
      float32 [H W, B, Ch] in [0, 1].
    """
    batch, height, width, channels = images.shape
    return _scaled(images.reshape(batch, height * width, channels).transpose(1, 0, 2))


def permuted_pixels(images: jax.Array, permutation: np.ndarray) -> jax.Array:
    """One pixel a step in a fixed order: x_t is the scanline pixel number permutation[t].

    Args:
      images: uint8 [B, H, W, Ch].
      permutation: int32 [H W], every scanline position once.

    Returns:
      float32 [H W, B, Ch] in [0, 1].

    Raises:
      ValueError: the permutation has another length than the image has pixels.
    """
    batch, height, width, channels = images.shape
    if permutation.shape != (height * width,):
        # JAX clamps an index that is out of range, so this would go unnoticed.
        raise ValueError(
            f"a permutation of {height * width} pixels expected, found shape {permutation.shape}"
        )
    scanline = images.reshape(batch, height * width, channels)
    return _scaled(scanline[:, permutation].transpose(1, 0, 2))


def rows(images: jax.Array) -> jax.Array:
    """One image row a step, flattened with the channels innermost: x_t[Ch w + c] = row t.

    Args:
      images: uint8 [B, H, W, Ch].

    Returns:
      float32 [H, B, W Ch] in [0, 1].
    """
    batch, height, width, channels = images.shape
    return _scaled(images.reshape(batch, height, width * channels).transpose(1, 0, 2))


def rows_with_fresh_noise(images: jax.Array, keys: jax.Array, length: int) -> jax.Array:
    """The rows, then standard normal noise that each example draws from its own key.

    An example's noise depends on its key only, not on its place in the batch.

    Args:
      images: uint8 [B, H, W, Ch].
      keys: typed PRNG keys [B].
      length: T > H.

    Returns:
      float32 [T, B, W Ch].
    """
    signal = rows(images)
    height, _, size = signal.shape

    def draw(key: jax.Array) -> jax.Array:
        return jax.random.normal(key, (length - height, size), jnp.float32)

    return jnp.concatenate([signal, jax.vmap(draw, out_axes=1)(keys)])


def rows_with_fixed_noise(images: jax.Array, noise: np.ndarray) -> jax.Array:
    """The rows, then one noise tensor that every example shares.

    The easier task of the paper's successors (coRNN, LEM): the noise is the same for all
    samples, so that it acts as a bias that varies in time.

    Args:
      images: uint8 [B, H, W, Ch].
      noise: float32 [T - H, W Ch].

    Returns:
      float32 [T, B, W Ch].
    """
    signal = rows(images)
    steps, size = noise.shape
    shared = jnp.broadcast_to(jnp.asarray(noise)[:, None, :], (steps, signal.shape[1], size))
    return jnp.concatenate([signal, shared])
