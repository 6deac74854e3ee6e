"""The invariants of a lock, by construction and as the user is told of them."""

from __future__ import annotations

import pytest

from coral_lock.errors import BAD_INPUT, InvalidLockError, LockError
from coral_lock.lockfile.entries import Host, LockedPlugin
from coral_lock.lockfile.model import is_digest
from coral_lock.lockfile.text import read_lock, write_lock
from tests.support.locks import TAG, digest_of, sample_lock
from tests.support.refusals import TEXT, Refusal, changed, refusal, told


def with_data_digests(tag: str, digest: str) -> str:
    """Return the text of the valid lock with a digest of scripts, headers and data."""
    digests = f'        "{TAG}": "{digest_of("A")}"\n      }},\n'
    added = f'      "data_digests": {{\n        "{tag}": "{digest}"\n      }},\n'
    return changed(digests, digests + added)


CASES = [
    (
        "unsorted requires",
        changed('        "numpy"\n', '        "rknn-backend",\n        "numpy"\n'),
        refusal(
            "must be sorted and unique",
            'coral.lock:49: distributions["my-package"].requires',
        ),
    ),
    (
        "malformed id",
        TEXT.replace("patches:future", "patch:future"),
        refusal(
            "a plugin id is written `<group>:<name>`, its group one of backends, patches, "
            "workflows, not `patch:future`",
            'coral.lock:38: excluded["patch:future"]',
        ),
    ),
    (
        "excluded id with another distribution",
        TEXT.replace("patches:future", "patches:future@other"),
        refusal(
            "the text after `@` must be the distribution `future-plugin`",
            'coral.lock:38: excluded["patches:future@other"]',
        ),
    ),
    (
        "malformed entry point",
        changed("rknn_backend:adapter", "rknn_backend"),
        refusal(
            "an entry point is written `module:attribute`, not `rknn_backend`",
            'coral.lock:18: plugins["backends:rknn"].entry_point',
        ),
    ),
    (
        "malformed digest",
        changed(digest_of("A"), "sha256:abc"),
        refusal(
            "a digest is `t1:` and 44 characters of base64, not `sha256:abc`",
            'coral.lock:47: distributions["my-package"].digests["py3-none-any"]',
        ),
    ),
    (
        "malformed digest of scripts",
        with_data_digests(TAG, digest_of("A")),
        refusal(
            f"a digest is `d1:` and 44 characters of base64, not `{digest_of('A')}`",
            'coral.lock:50: distributions["my-package"].data_digests["py3-none-any"]',
        ),
    ),
    (
        "digest of scripts of no wheel",
        with_data_digests("cp311-cp311-any", f"d1:{'A' * 43}="),
        refusal(
            "`digests` has no such wheel tag",
            'coral.lock:50: distributions["my-package"].data_digests["cp311-cp311-any"]',
        ),
    ),
    (
        "name not normalized",
        TEXT.replace('"distribution": "future-plugin"', '"distribution": "Future.Plugin"'),
        refusal(
            "a distribution's name must be normalized, unlike `Future.Plugin`",
            'coral.lock:39: excluded["patches:future"].distribution',
        ),
    ),
    (
        "distribution not locked",
        TEXT.replace('"distribution": "my-package"', '"distribution": "absent"'),
        refusal(
            "`absent` isn't one of the lock's distributions",
            'coral.lock:26: plugins["patches:camera_stabilizer"].distribution',
        ),
    ),
    (
        "requirement not locked",
        changed('        "numpy"\n', '        "absent"\n'),
        refusal(
            "`absent` isn't one of the lock's distributions",
            'coral.lock:49: distributions["my-package"].requires',
        ),
    ),
    (
        "after an unknown plugin",
        changed('        "backends:rknn"\n', '        "patches:absent"\n'),
        refusal(
            "`patches:absent` isn't a plugin of this lock",
            'coral.lock:32: plugins["patches:camera_stabilizer"].after',
        ),
    ),
    (
        "a cycle",
        changed('        "backends:rknn"\n', '        "patches:camera_stabilizer"\n'),
        refusal(
            "plugins wait for each other: "
            "`patches:camera_stabilizer` → `patches:camera_stabilizer`",
            'coral.lock:32: plugins["patches:camera_stabilizer"].after',
            hint="remove one of these ids from `after` in the descriptor",
        ),
    ),
    (
        "another core",
        changed('"coral-inference"', '"other"'),
        refusal(
            "the core host is `coral-inference`, not `other`",
            "coral.lock:6: host.core.distribution",
        ),
    ),
    (
        "another inference",
        changed('"distribution": "inference"', '"distribution": "tensorflow"'),
        refusal(
            "the inference host is one of inference, inference-core, inference-cpu, "
            "inference-gpu, not `tensorflow`",
            "coral.lock:10: host.inference.distribution",
        ),
    ),
    (
        "garbled Python",
        changed('"3.11"', '"3.x"'),
        refusal("a Python version is written like `3.11`, not `3.x`", "coral.lock:13: host.python"),
    ),
    (
        "empty Python",
        changed('"3.11"', '""'),
        refusal("a Python version is written like `3.11`, not ``", "coral.lock:13: host.python"),
    ),
    (
        "empty version",
        changed('"version": "2.0.0"', '"version": ""'),
        refusal("must not be empty", "coral.lock:54: distributions.numpy.version"),
    ),
    (
        "lone surrogate escaped",
        changed('"requires core 9.0"', '"\\ud800"'),
        refusal(
            "the text holds half of a surrogate pair",
            'coral.lock:40: excluded["patches:future"].reason',
        ),
    ),
    (
        "lone surrogate",
        changed('"requires core 9.0"', '"\\ud800"'),
        refusal(
            "the text holds half of a surrogate pair",
            'coral.lock:40: excluded["patches:future"].reason',
        ),
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_refused_and_how(text: str, expected: Refusal) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(text)
    assert told(caught.value) == expected
    assert caught.value.exit_code == BAD_INPUT


def test_parts_are_sorted_at_construction() -> None:
    lock = sample_lock()
    shuffled = lock.replace(
        plugins=lock.plugins[::-1],
        excluded=lock.excluded[::-1],
        distributions=lock.distributions[::-1],
    )
    assert shuffled == lock
    assert write_lock(shuffled) == write_lock(lock)


def test_an_entry_twice_is_refused() -> None:
    lock = sample_lock()
    for field, path in (
        ("plugins", 'plugins["backends:rknn"]'),
        ("excluded", 'excluded["patches:future"]'),
        ("distributions", 'distributions["my-package"]'),
    ):
        entries = getattr(lock, field)
        with pytest.raises(InvalidLockError) as caught:
            lock.replace(**{field: (*entries, entries[0])})
        assert (caught.value.message, caught.value.path) == ("this entry appears twice", path)


def test_plugins_come_in_the_order_of_activation() -> None:
    lock = sample_lock()
    first = LockedPlugin(
        id="patches:a",
        distribution="my-package",
        entry_point="a:b",
        after=("patches:camera_stabilizer",),
    )
    lock = lock.replace(plugins=(first, *lock.plugins))
    assert [plugin.id for plugin in lock.plugins] == [
        "backends:rknn",
        "patches:a",
        "patches:camera_stabilizer",
    ]
    assert [plugin.id for plugin in lock.activation_order()] == [
        "backends:rknn",
        "patches:camera_stabilizer",
        "patches:a",
    ]
    assert (first.group, first.name) == ("patches", "a")


def test_distributions_are_found_by_name() -> None:
    lock = sample_lock()
    assert lock.distribution("numpy").version == "2.0.0"
    assert lock.plugin_distributions() == ("my-package", "rknn-backend")
    with pytest.raises(KeyError, match="absent"):
        lock.distribution("absent")


def test_a_plugin_may_come_after_one_that_is_left_out() -> None:
    lock = sample_lock()
    camera = lock.plugins[1].replace(after=("patches:future",))
    assert lock.replace(plugins=(camera,)).activation_order() == (camera,)


def test_hosts_may_be_unknown() -> None:
    host = Host(core=None, inference=None, python="3.11")
    assert host.packages() == ()
    assert sample_lock().replace(host=host).host == host


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "t1:",
        "A" * 47,
        f"t2:{'A' * 43}=",
        f"t1:{'A' * 42}==",
        f"t1:{'A' * 44}",
        f"t1:{'-' * 43}=",
        f"t1:{'é' * 43}=",
        f"t1:{'A' * 43}=\n",
    ],
)
def test_what_is_no_digest(digest: str) -> None:
    assert not is_digest(digest)
    assert is_digest(digest_of("A"))
