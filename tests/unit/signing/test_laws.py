"""Laws of what a device accepts, whatever is signed, by whom, and in which order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coral_lock.errors import CoralLockError, RollbackError
from coral_lock.signing.acceptance import Request, Verified, judge
from coral_lock.signing.accepted import Channel, KeySet, accepted_text, parse_accepted
from coral_lock.signing.envelope import Statement
from coral_lock.signing.keyring import Keyring, trusted_keys
from coral_lock.signing.keys import key_id

KEYS = tuple(digit * 64 for digit in "abc")
LOCKS = tuple(digit * 64 for digit in "123")

key_sets = st.builds(
    lambda keys: KeySet(keys=tuple(sorted(keys)), threshold=1),
    st.lists(st.sampled_from(KEYS), min_size=1, unique=True),
)
releases = st.builds(
    Statement,
    sha256=st.sampled_from(LOCKS),
    channel=st.just("default"),
    serial=st.integers(1, 5),
    trust=st.none() | key_sets,
)
signers = st.lists(st.sampled_from(KEYS), min_size=1, unique=True)
reasons = st.none() | st.just("because")
events = st.lists(st.tuples(releases, signers, reasons, st.booleans()), max_size=12)


def request(reason: str | None, keeps_previous: bool) -> Request:
    return Request(
        lock="coral.lock",
        signature="coral.lock.sig",
        keyring="keyring",
        rollback=reason,
        keeps_previous=keeps_previous,
    )


def offer(
    state: Channel | None,
    keyring: Keyring,
    release: Statement,
    keys: list[str],
    asked: Request,
) -> Channel | None:
    """Return what is accepted after a release that these keys have signed was offered.

    Raises:
        CoralLockError: it isn't accepted.
    """
    trusted = trusted_keys(keyring, state)
    known = tuple(sorted(key_id(key) for key in keys if key in trusted.keys))
    if not known:
        return state
    verified = Verified(statement=release, signers=known, trusted=trusted)
    return judge(
        verified, state, keyring=keyring, channel="default", sha256=release.sha256, request=asked
    )


@given(key_sets, events)
def test_without_a_reason_nothing_goes_back(keys: KeySet, offered: list[Any]) -> None:
    keyring = Keyring(key_set=keys)
    state: Channel | None = None
    locks: dict[int, str] = {}
    for release, by, _, keeps_previous in offered:
        before = state
        try:
            state = offer(state, keyring, release, by, request(None, keeps_previous))
        except RollbackError:
            continue
        if state is None:
            continue
        assert before is None or state.accepted.serial >= before.accepted.serial
        assert locks.setdefault(state.accepted.serial, state.accepted.sha256) == (
            state.accepted.sha256
        )
        assert state.accepted.rollback is None


@given(st.lists(st.tuples(key_sets, events), max_size=4))
def test_floors_never_fall_and_every_record_reads(phases: list[Any]) -> None:
    """Whatever reasons are given, and however the keyring is changed."""
    state: Channel | None = None
    for keys, offered in phases:
        keyring = Keyring(key_set=keys)
        for release, by, reason, keeps_previous in offered:
            before = state
            try:
                state = offer(state, keyring, release, by, request(reason, keeps_previous))
            except CoralLockError:
                continue
            if state is None:
                continue
            for key, floor in (before.floors if before else {}).items():
                assert state.floors[key].serial >= floor.serial
            for key in state.accepted.signers:
                assert state.floors[key].serial >= state.accepted.serial
            assert parse_accepted(accepted_text({"default": state})) == {"default": state}
            if release.trust is None:
                # What brought other keys is known again by its signatures, which aren't here.
                again = offer(state, keyring, release, by, request(None, keeps_previous))
                assert again == state
