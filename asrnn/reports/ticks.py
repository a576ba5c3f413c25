"""Where an axis has its ticks: round numbers, linear or by powers of ten."""

import math


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], about `count` of them."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = (float(f"{i * step:.12g}") for i in range(first, last + 1))
    return list(dict.fromkeys(ticks))  # some are equal, if low and high nearly are


def log_ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Powers of ten in [low, high]; over few decades, two and five times these too.

    Where even those are fewer than three, the ticks are linear ones.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(math.ceil((last - first) / count), 1)
    factors = (1, 2, 5) if math.log10(high) - math.log10(low) < 3 else (1,)
    found = [
        float(f"{factor}e{power}") for power in range(first, last + 1, every) for factor in factors
    ]
    inside = [tick for tick in found if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside if len(inside) > 2 else linear_ticks(low, high)
