"""Records: built from keywords, frozen, compared by value."""

from __future__ import annotations

import pytest

from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.record import Record
from tests.support.locks import sample_lock


class Point(Record):
    x: int
    y: int = 0


class NamedPoint(Point):
    name: str


class Positive(Record):
    value: int

    def _check(self) -> None:
        if self.value <= 0:
            raise ValueError(f"{self.value} isn't positive")


def test_fields_come_from_keywords_and_defaults() -> None:
    point = Point(x=1)
    assert (point.x, point.y) == (1, 0)
    assert repr(point) == "Point(x=1, y=0)"


def test_fields_are_inherited_with_their_defaults() -> None:
    assert repr(NamedPoint(x=1, name="a")) == "NamedPoint(x=1, y=0, name='a')"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Point needs `x`"),
        ({"x": 1, "z": 2, "a": 3}, "Point has no field `a`"),
    ],
)
def test_missing_and_unknown_fields_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        Point(**values)
    assert str(caught.value) == message


def test_a_record_is_frozen_and_has_no_other_attributes() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError, match="Point is frozen: `x` can't be set"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Point is frozen: `z` can't be set"):
        point.z = 2
    with pytest.raises(AttributeError, match="Point is frozen: `x` can't be deleted"):
        del point.x
    assert not hasattr(point, "__dict__")


def test_records_are_equal_by_type_and_value() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert hash(Point(x=1)) == hash(Point(x=1, y=0))
    assert Point(x=1) != Point(x=2)
    assert Point(x=1) != NamedPoint(x=1, name="a")
    assert Point(x=1) != (1, 0)


def test_records_of_plain_data_can_be_hashed() -> None:
    lock = sample_lock()
    same = read_lock(write_lock(lock))
    assert len({lock, same}) == 1
    assert {hash(each) for each in lock.distributions} == {hash(e) for e in same.distributions}
    one = NamedPoint(x=1, name={"a": [1, {"b": 2}], "c": ()})  # type: ignore[arg-type]
    other = NamedPoint(x=1, name={"c": (), "a": [1, {"b": 2}]})  # type: ignore[arg-type]
    assert one == other
    assert hash(one) == hash(other)


def test_replace_checks_the_copy_and_leaves_the_original() -> None:
    positive = Positive(value=1)
    assert positive.replace(value=2) == Positive(value=2)
    assert positive == Positive(value=1)
    with pytest.raises(ValueError, match="-1 isn't positive"):
        positive.replace(value=-1)
