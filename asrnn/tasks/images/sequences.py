"""From images to sequences: pure functions on the device, images [B, H, W, Ch] to [T, B, m].

Before that, training images may be `augmented`. The images stay uint8 until they are in their
order; `scaled` makes numbers of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asrnn.lazy import jax, jnp


def pooled(images: jax.Array, size: int) -> jax.Array:
    """The mean over squares of k x k pixels, k = size.

    Args:
      images: uint8 [B, H, W, Ch]; k divides H and W.
      size: k.

    Returns:
      The images themselves for k = 1, else float32 [B, H / k, W / k, Ch] in [0, 255].
    """
    if size == 1:
        return images
    batch, height, width, channels = images.shape
    squares = images.reshape(batch, height // size, size, width // size, size, channels)
    return squares.astype(jnp.float32).mean((2, 4))


def augmented(images: jax.Array, keys: jax.Array, *, flip: bool, reach: int) -> jax.Array:
    """Images as they might have been taken: mirrored in every second case, moved by some pixels.

    Args:
      images: [B, H, W, Ch] of any dtype.
      keys: typed PRNG keys [B].
      flip: whether left and right may change places.
      reach: by how many pixels at most an image moves, up or down and to a side; what comes in
        from outside is 0.
    """
    size = images.shape[1:]

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        side, places = jax.random.split(key)
        if flip:
            image = jnp.where(jax.random.bernoulli(side), image[:, ::-1], image)
        down, right = jax.random.randint(places, (2,), 0, 2 * reach + 1)
        wide = jnp.pad(image, ((reach, reach), (reach, reach), (0, 0)))
        return jax.lax.dynamic_slice(wide, (down, right, 0), size)

    return jax.vmap(one)(images, keys)


def pixels(images: jax.Array) -> jax.Array:
    """One pixel a step in scanline order, from the top left to the bottom right.

    x_t = image[t // W, t % W, :], so T = H W and m = Ch.

    Args:
      images: [B, H, W, Ch] of any dtype.

    Returns:
      [H W, B, Ch] of that dtype.
    """
    batch, height, width, channels = images.shape
    return images.reshape(batch, height * width, channels).transpose(1, 0, 2)


def permuted_pixels(images: jax.Array, permutation: np.ndarray) -> jax.Array:
    """One pixel a step in a fixed order: x_t is the scanline pixel number permutation[t].

    Args:
      images: [B, H, W, Ch] of any dtype.
      permutation: int32 [H W], every scanline position once.

    Returns:
      [H W, B, Ch] of that dtype.

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
    return scanline[:, permutation].transpose(1, 0, 2)


def rows(images: jax.Array) -> jax.Array:
    """One image row a step, flattened with the channels innermost: x_t[Ch w + c] = row t.

    Args:
      images: [B, H, W, Ch] of any dtype.

    Returns:
      [H, B, W Ch] of that dtype.
    """
    batch, height, width, channels = images.shape
    return images.reshape(batch, height, width * channels).transpose(1, 0, 2)


def scaled(
    steps: jax.Array, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> jax.Array:
    """x / 255, or (x / 255 - mean) / std of the channel where these are given.

    Args:
      steps: [T, B, m] in [0, 255], the channels innermost in m.
      mean: of each channel.
      std: likewise.

    Returns:
      float32 [T, B, m].
    """
    unit = steps.astype(jnp.float32) / 255.0
    if mean is None or std is None:
        return unit
    repeats = unit.shape[-1] // len(mean)
    shift, scale = (jnp.tile(jnp.array(v, jnp.float32), repeats) for v in (mean, std))
    return (unit - shift[None, None]) / scale[None, None]
