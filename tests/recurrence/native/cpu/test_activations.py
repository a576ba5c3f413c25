"""tanh and the logistic function of the kernel, over all magnitudes of float32."""

import ctypes

import numpy as np
import pytest

from asrnn.recurrence.native.cpu import library

LARGEST_ERROR = 3.0  # units in the last place


def evaluate(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tanh as the plain cell has it, as the gated cell has it, and the logistic function."""
    tanh = np.empty((values.size, 2), np.float32)
    sigmoid = np.empty(values.size, np.float32)
    pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for a in (values, tanh, sigmoid)]
    index = library.INSTRUCTION_SETS.index(name)
    library.loaded_library().asrnn_cpu_activations(index, *pointers, values.size)
    return tanh[:, 0], tanh[:, 1], sigmoid


def errors_in_ulp(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return np.abs(found.astype(np.float64) - exact) / np.spacing(np.abs(exact).astype(np.float32))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """Every 1021st float32 of either sign, and all close to where something changes."""
    bits = np.arange(0x00800000, 0x7F800000, 1021, dtype=np.uint32)
    dense = np.linspace(-20, 20, 400_001, dtype=np.float32)
    positive = bits.view(np.float32)
    return np.concatenate([positive, -positive, dense])


def test_tanh_is_accurate(instruction_set: str, values: np.ndarray) -> None:
    plain, gated, _ = evaluate(instruction_set, values)
    exact = np.tanh(values.astype(np.float64))
    assert errors_in_ulp(plain, exact).max() <= LARGEST_ERROR
    assert errors_in_ulp(gated, exact).max() <= LARGEST_ERROR


def test_logistic_is_accurate(instruction_set: str, values: np.ndarray) -> None:
    found = evaluate(instruction_set, values)[2]
    wide = values.astype(np.float64)
    e = np.exp(-np.abs(wide))
    exact = np.where(wide < 0, e, 1.0) / (1.0 + e)
    tiny = float(np.finfo(np.float32).tiny)
    normal = exact >= 2 * tiny
    assert errors_in_ulp(found, exact)[normal].max() <= LARGEST_ERROR
    # Results that float32 can only hold as subnormal numbers are flushed.
    assert np.abs(found[~normal] - exact[~normal]).max() <= 2 * tiny


def test_odd_values(instruction_set: str) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    plain, gated, sigmoid = evaluate(instruction_set, values)
    expected = np.array([np.nan, 1.0, -1.0, 0.0, -0.0], np.float32)
    for tanh in (plain, gated):
        np.testing.assert_array_equal(tanh, expected)
        np.testing.assert_array_equal(np.signbit(tanh[1:]), np.signbit(expected[1:]))
    np.testing.assert_array_equal(sigmoid, np.array([np.nan, 1.0, 0.0, 0.5, 0.5], np.float32))
