"""Batches: a function of (seed, step) in which no example is lost or comes twice."""

from __future__ import annotations

import numpy as np
import pytest

from asrnn.errors import ConfigError
from asrnn.tasks import batch_indices, batches, evaluation_batches, split_validation
from asrnn.tasks.streams import Stream, permutation


def test_the_validation_part_and_the_rest_make_up_the_training_part() -> None:
    train, validation = split_validation(100, 30, seed=1)
    assert len(train) == 70 and len(validation) == 30
    assert train.dtype == validation.dtype == np.int32
    assert sorted([*train, *validation]) == list(range(100))
    assert train.tolist() == sorted(train) and validation.tolist() == sorted(validation)


def test_the_validation_part_is_chosen_by_the_seed() -> None:
    chosen = [split_validation(100, 30, seed)[1].tolist() for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] != list(range(70, 100)) != list(range(30))


def test_a_larger_validation_part_contains_the_smaller_one() -> None:
    small, large = (set(split_validation(100, size, 1)[1].tolist()) for size in (10, 30))
    assert small < large


def test_there_may_be_no_validation_part() -> None:
    train, validation = split_validation(5, 0, seed=0)
    assert train.tolist() == [0, 1, 2, 3, 4] and validation.tolist() == []


@pytest.mark.parametrize("size", [-1, 100, 101])
def test_a_validation_part_that_leaves_nothing_to_train_on_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"from 0 to 99.*found {size}"):
        split_validation(100, size, seed=0)


def test_an_epoch_has_no_example_twice_and_leaves_out_the_remainder() -> None:
    batches = batch_indices(0, 0, 3, 10, 3)
    assert batches.shape == (3, 3) and batches.dtype == np.int32
    assert len(set(batches.ravel().tolist())) == 9
    assert set(batches.ravel().tolist()) < set(range(10))


def test_each_epoch_is_another_permutation_that_leaves_out_another_example() -> None:
    epochs = batch_indices(0, 0, 300, 10, 3).reshape(100, 9)
    assert len({epoch.tobytes() for epoch in epochs}) == 100
    left_out = {(set(range(10)) - set(epoch.tolist())).pop() for epoch in epochs}
    assert left_out == set(range(10))


def test_a_batch_is_its_part_of_the_permutation_of_its_epoch() -> None:
    step, per_epoch = 17, 4  # epoch 4, batch 1
    order = permutation(9, Stream.EPOCH_ORDER, step // per_epoch, 21)
    assert batch_indices(9, step, 1, 21, 5)[0].tolist() == order[5:10].tolist()


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_chunks_of_any_size_from_any_step_give_the_same_batches(count: int) -> None:
    whole = batch_indices(5, 0, 60, 23, 4)
    for first in (0, 3, 10):
        chunk = batch_indices(5, first, count, 23, 4)
        np.testing.assert_array_equal(chunk, whole[first : first + count])


def test_seeds_give_other_batches() -> None:
    assert batch_indices(0, 0, 5, 50, 10).tolist() != batch_indices(1, 0, 5, 50, 10).tolist()


def test_the_batches_do_not_move_when_the_caller_writes_into_them() -> None:
    first = batch_indices(0, 0, 2, 10, 5)
    kept = first.copy()
    first[:] = -1
    np.testing.assert_array_equal(batch_indices(0, 0, 2, 10, 5), kept)


def test_a_batch_may_be_the_whole_set() -> None:
    assert sorted(batch_indices(0, 5, 1, 10, 10)[0].tolist()) == list(range(10))


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_that_cannot_be_filled_is_refused(batch_size: int) -> None:
    with pytest.raises(ConfigError, match=f"batch_size must be from 1 to 10.*found {batch_size}"):
        batch_indices(0, 0, 1, 10, batch_size)


@pytest.mark.parametrize(("num_examples", "batch_size"), [(10, 3), (9, 3), (2, 5), (1, 1)])
def test_evaluation_sees_every_example_exactly_once(num_examples: int, batch_size: int) -> None:
    indices, mask = evaluation_batches(num_examples, batch_size)
    assert indices.shape == mask.shape == (-(-num_examples // batch_size), batch_size)
    assert indices.dtype == np.int32 and mask.dtype == np.float32
    assert indices[mask == 1].tolist() == list(range(num_examples))
    assert set(mask.ravel().tolist()) <= {0.0, 1.0}
    assert set(indices[mask == 0].tolist()) <= {0}


def test_evaluation_of_nothing_has_no_batches() -> None:
    indices, mask = evaluation_batches(0, 4)
    assert indices.shape == mask.shape == (0, 4)


def test_evaluation_in_empty_batches_is_refused() -> None:
    with pytest.raises(ConfigError, match="found 0"):
        evaluation_batches(10, 0)


def test_seeds_taken_in_turns_draw_each_order_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The members of a population have a seed each, and an order takes a sort to find."""
    drawn: list[tuple[int, ...]] = []

    def draw(seed: int, stream: Stream, index: int, count: int) -> np.ndarray:
        drawn.append((seed, index))
        return permutation(seed, stream, index, count)

    monkeypatch.setattr(batches.streams, "permutation", draw)
    seeds = range(1000, 1128)
    for step in range(3):
        for seed in seeds:
            batch_indices(seed, step, 1, 12, 3)
    assert sorted(drawn) == [(seed, 0) for seed in seeds]
