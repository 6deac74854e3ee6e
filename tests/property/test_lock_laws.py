"""Laws of the lock's text, of the difference of two locks, and of merging them."""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from coral_lock.canonical_json import write
from coral_lock.difference.assessment import review_order
from coral_lock.difference.changes import difference
from coral_lock.difference.model import Change
from coral_lock.difference.text import render_text
from coral_lock.document.schema import schema_text
from coral_lock.errors import CoralLockError
from coral_lock.lockfile.entries import to_mapping
from coral_lock.lockfile.file import parse_lock
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import from_mapping, read_lock, write_lock
from tests.property.strategies import ODD_TEXT, locks
from tests.support.refusals import is_answered

SCHEMA = Draft202012Validator(json.loads(schema_text("lock")))


@given(locks())
def test_reading_what_was_written_gives_the_same_lock(lock: Lock) -> None:
    assert read_lock(write_lock(lock)) == lock


@given(locks())
def test_the_text_of_a_lock_is_what_any_json_reader_reads(lock: Lock) -> None:
    document = json.loads(write_lock(lock))
    assert document == to_mapping(lock)
    assert list(document["plugins"]) == sorted(document["plugins"])
    assert list(document["distributions"]) == sorted(document["distributions"])


@given(locks())
def test_the_text_of_a_lock_is_utf8_without_invisible_characters(lock: Lock) -> None:
    text = write_lock(lock)
    text.encode("utf-8")
    assert text.endswith("}\n")
    assert not set(text) & set("\r\t\x00\x7f\u202e\u2066\u200b\ufeff\u2028\U000e0041")


@given(locks())
def test_the_schema_accepts_every_lock_that_is_written(lock: Lock) -> None:
    SCHEMA.validate(json.loads(write_lock(lock)))


@st.composite
def damaged_texts(draw: st.DrawFn) -> str:
    """The text of a lock with a few places cut out, doubled, or filled with something odd."""
    text = write_lock(draw(locks()))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        filling = draw(
            st.one_of(
                st.sampled_from([*ODD_TEXT, "1", "true", "1e999", "NaN", "\ud800", '"\\ud800"']),
                st.text(max_size=5),
                st.just(text[start:end] * 2),
            )
        )
        text = text[:start] + filling + text[end:]
    return text


def refusal(content: bytes) -> CoralLockError | None:
    """Return the error that reading gives; nothing else may be raised."""
    try:
        parse_lock(content, "coral.lock")
    except CoralLockError as error:
        return error
    return None


@given(damaged_texts())
def test_a_text_is_refused_with_words_or_is_the_text_of_its_lock(text: str) -> None:
    error = refusal(text.encode("utf-8", "surrogatepass"))
    if error is None:
        lock = read_lock(text)
        assert lock.lock_version != "1.0" or write_lock(lock) == text
    else:
        assert error.message
        assert error.where is not None
        assert error.where.startswith("coral.lock")


@given(
    st.one_of(
        st.binary(max_size=200),
        damaged_texts().map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"{\n" * 1000)
@example(b"9" * 5000)
@example(b'{"a": ' + b"9" * 5000 + b"}")
def test_no_bytes_raise_anything_but_an_error_with_words(content: bytes) -> None:
    error = refusal(content)
    assert error is None or error.message


@given(st.one_of(st.text(st.characters()), damaged_texts()))
def test_no_text_raises_anything_but_an_error_with_words(text: str) -> None:
    assert is_answered(lambda: read_lock(text), CoralLockError)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 99), st.text(max_size=5)),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)


@given(locks(), st.data())
def test_a_document_with_one_value_replaced_is_refused_or_accepted_by_schema_too(
    lock: Lock, data: st.DataObject
) -> None:
    document: Any = json.loads(write_lock(lock))
    parent = document
    key = data.draw(st.sampled_from(list(parent)))
    while isinstance(parent[key], dict) and parent[key] and data.draw(st.booleans()):
        parent = parent[key]
        key = data.draw(st.sampled_from(list(parent)))
    parent[key] = data.draw(JSON_VALUES)
    try:
        found = from_mapping(document)
    except CoralLockError:
        return
    if document["lock_version"] == "1.0" and to_mapping(found) == document:
        SCHEMA.validate(document)


@given(locks())
def test_a_lock_does_not_differ_from_itself(lock: Lock) -> None:
    assert difference(lock, lock) == ()
    assert render_text(()) == ""


@given(locks(), locks())
def test_the_difference_accounts_for_everything(old: Lock, new: Lock) -> None:
    changes = difference(old, new)
    assert applied(changes, old) == new
    assert bool(changes) == (old != new)


@given(locks(), locks())
def test_a_difference_tells_each_place_once(old: Lock, new: Lock) -> None:
    changes = difference(old, new)
    places = [(change.path, change.before, change.after) for change in changes]
    assert len(places) == len({repr(place) for place in places})
    assert changes == tuple(sorted(changes, key=review_order))


@given(locks(), locks(), st.one_of(st.none(), st.integers(0, 5)))
def test_every_difference_can_be_shown(old: Lock, new: Lock, limit: int | None) -> None:
    changes = difference(old, new)
    assert len(json.loads(write([change.to_dict() for change in changes]))) == len(changes)
    text = render_text(changes, limit)
    shown = [line for line in text.split("\n") if line[:3] in ("  !", "  +", "  -", "  ~")]
    assert len(shown) == (len(changes) if limit is None else min(limit, len(changes)))
    assert not set(text) & set("\r\t\x00\x7f\u202e\u2066\u200b\ufeff\u2028\U000e0041")


def applied(changes: tuple[Change, ...], lock: Lock) -> Lock:
    """Return the lock to which the changes lead: what they leave out would be missing in it."""
    document = json.loads(write_lock(lock))
    document.setdefault("targets", {})
    for distribution in document["distributions"].values():
        distribution.setdefault("target_requires", {})
    for change in changes:
        if change.code == "order-changed":  # It follows from other changes.
            continue
        if change.moved_from is not None:
            del _at(document, change.moved_from[:-1])[change.moved_from[-1]]
        *parents, key = change.place
        if change.code in ("requirement-added", "acceptance-added"):
            _at(document, tuple(parents)).setdefault(key, []).append(change.after)
        elif change.code in ("requirement-removed", "acceptance-removed"):
            _at(document, change.place).remove(change.before)
        elif change.after is None and (
            change.place == ("host", "python")
            or (parents and parents[0] != "host" and len(parents) == 1)
            or not {"digests", "data_digests", "program"}.isdisjoint(change.place[2:])
        ):
            del _at(document, tuple(parents))[key]
        else:
            _at(document, tuple(parents))[key] = change.after
    for distribution in document["distributions"].values():
        distribution["requires"].sort()
        distribution["accepted"] = sorted(distribution.get("accepted", ()))
        further = distribution.get("target_requires", {})
        distribution["target_requires"] = {
            target: sorted(names) for target, names in further.items() if names
        }
    return from_mapping(document)


def _at(document: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        document = document[key]
    return cast(Any, document)
