"""Only the fields that differ are columns."""

from __future__ import annotations

from asrnn.reports.differences import differing_fields, written


def test_fields_that_differ_are_named_in_order() -> None:
    one = {"b": 1, "a": "x", "same": [1, 2], "only": True}
    other = {"b": 2, "a": "y", "same": [1, 2]}
    assert differing_fields([one, other]) == ["a", "b", "only"]
    assert differing_fields([one]) == differing_fields([one, dict(one)]) == []


def test_a_number_and_its_digits_are_not_the_same() -> None:
    assert differing_fields([{"a": 1}, {"a": "1"}]) == ["a"]
    assert differing_fields([{"a": None}, {}]) == ["a"]


def test_values_are_written_as_a_reader_knows_them() -> None:
    assert [written(v) for v in ("sgd", 0.1, True, None, [1])] == [
        *("sgd", "0.1", "true", "null", "[1]")
    ]
