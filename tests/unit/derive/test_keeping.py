"""Which versions of a lock are kept."""

from __future__ import annotations

import pytest

from coral_lock.derive.locking import kept_versions
from coral_lock.errors import UsageError
from coral_lock.lockfile.entries import ExcludedPlugin
from tests.support.locks import sample_lock
from tests.support.refusals import told

ALL = {"my-package": "1.0.0", "numpy": "2.0.0", "rknn-backend": "1.0"}


def test_everything_is_kept() -> None:
    assert kept_versions(sample_lock(), ()) == ALL
    assert kept_versions(None, ()) == {}


def test_what_is_upgraded_is_not() -> None:
    upgraded = ("patches:camera_stabilizer", "patches:camera_stabilizer")
    assert kept_versions(sample_lock(), upgraded) == {"numpy": "2.0.0", "rknn-backend": "1.0"}
    both = ("patches:camera_stabilizer", "backends:rknn")
    assert kept_versions(sample_lock(), both) == {"numpy": "2.0.0"}


@pytest.mark.parametrize("identifier", ["patches:future", "patches:future@future-plugin"])
def test_a_plugin_that_is_left_out_can_be_upgraded(identifier: str) -> None:
    lock = sample_lock()
    left_out = ExcludedPlugin(id=identifier, distribution="future-plugin", reason="any")
    kept = kept_versions(lock.replace(excluded=(left_out,)), ("patches:future",))
    assert kept == ALL


@pytest.mark.parametrize("name", ["my-package", "My_Package"])
def test_a_distribution_can_be_upgraded(name: str) -> None:
    kept = kept_versions(sample_lock(), (name, "backends:rknn"))
    assert kept == {"numpy": "2.0.0"}
    kept = kept_versions(sample_lock(), ("numpy",))
    assert kept == {"my-package": "1.0.0", "rknn-backend": "1.0"}


ANYWAY = (
    "see `coral-runtime plugins list`; what isn't in the lock is taken in its newest version anyway"
)


@pytest.mark.parametrize(
    ("identifier", "hint"),
    [
        ("patches:camera_stabiliser", "did you mean `patches:camera_stabilizer`?"),
        ("workflows:future", "did you mean `patches:future`?"),
        ("patches:unheard_of", ANYWAY),
        ("camera_stabiliser", "did you mean `patches:camera_stabilizer`?"),
        ("numpi", "did you mean `numpy`?"),
        ("My_Packages", "did you mean `my-package`?"),
        ("patches:numpy", "did you mean `numpy`?"),
        ("", ANYWAY),
    ],
)
def test_what_the_lock_does_not_have(identifier: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        kept_versions(sample_lock(), ("backends:rknn", identifier))
    assert told(caught.value) == {
        "message": f"the lock has no plugin and no distribution `{identifier}` to upgrade",
        "expected": "the id of one of its plugins, or the name of a distribution",
        "found": None,
        "where": None,
        "hint": hint,
    }


def test_no_lock() -> None:
    with pytest.raises(UsageError) as caught:
        kept_versions(None, ("patches:camera_stabilizer",))
    assert told(caught.value) == {
        "message": "the lock has no plugin and no distribution `patches:camera_stabilizer` to "
        "upgrade",
        "expected": "a lock with plugins",
        "found": None,
        "where": None,
        "hint": ANYWAY,
    }
