"""A lock for several targets: its rules as the user is told of them, and its parts."""

from __future__ import annotations

import pytest

from coral_lock.errors import BAD_INPUT, InvalidLockError, LockError
from coral_lock.lockfile.entries import ExcludedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import narrowed_digests, part_of
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.messages import size_of
from coral_lock.targets.model import MAX_TARGETS, Target
from tests.support.locks import (
    ARM_TAG,
    JETSON,
    SERVER,
    TAG,
    X86_TAG,
    digest_of,
    lock_of_targets,
    sample_lock,
)
from tests.support.refusals import Refusal, refusal, told

TEXT = write_lock(lock_of_targets())
HOST_END = '      "version": "0.58.0"\n    }\n  },\n'
RKNN = '      "after": [],\n      "targets": [\n        "jetson"\n      ]\n'
CAMERA = '        "backends:rknn"\n      ]\n    }\n'
FUTURE_REASONS = '        "server": "requires `backends:rknn`"\n'
EDGES = '        "jetson": [\n          "rknn-backend"\n        ]\n'
BACKEND = '      "requires": [],\n      "targets": [\n        "jetson"\n      ]\n'


def changed(old: str, new: str) -> str:
    """Return the text of the valid lock with its only `old` replaced."""
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


def targets_of_rknn(*names: str) -> str:
    lines = ",\n".join(f'        "{name}"' for name in names)
    return changed(RKNN, f'      "after": [],\n      "targets": [\n{lines}\n      ]\n')


def edges(target: str, *names: str) -> str:
    lines = ",\n".join(f'          "{name}"' for name in names)
    return changed(EDGES, f'        "{target}": [\n{lines}\n        ]\n')


PYTHON_TWICE = changed(
    HOST_END, HOST_END.replace("    }\n  },\n", '    },\n    "python": "3.11"\n  },\n')
)
LEFT_OUT_TOO = changed(
    '    "patches:future": {\n      "distribution": "future-plugin"',
    '    "patches:camera_stabilizer": {\n      "distribution": "my-package"',
)
NO_CANONICAL_FORM = "the lock isn't in canonical form: it was edited by hand or merged wrongly"

CASES = [
    (
        "Python twice",
        PYTHON_TWICE,
        refusal(
            "a lock with targets has no version of Python in `host`",
            "coral.lock:13: host.python",
        ),
    ),
    (
        "no targets and no Python",
        TEXT[: TEXT.index('  "targets": {')] + TEXT[TEXT.index('  "plugins": {') :],
        refusal("a lock without targets has `host.python`", "coral.lock:4: host"),
    ),
    (
        "empty targets and no Python",
        TEXT[: TEXT.index('  "targets": {')]
        + '  "targets": {},\n'
        + TEXT[TEXT.index('  "plugins": {') :].replace("jetson", "server"),
        refusal(
            "a lock without targets has `host.python`",
            "coral.lock:4: host",
        ),
    ),
    (
        "a malformed name of a target",
        changed('    "server": {\n', '    "Server": {\n'),
        refusal(
            "a target's name consists of a-z, 0-9, `.`, `_` and `-`, not `Server`",
            "coral.lock:19: targets.Server",
        ),
    ),
    (
        "a malformed Python",
        changed('"python": "3.10"', '"python": "2.7"'),
        refusal(
            "a target's Python is written like `3.10`, not `2.7`",
            "coral.lock:15: targets.jetson",
        ),
    ),
    (
        "a very long Python",
        changed('"python": "3.10"', f'"python": "3.{"9" * 5000}"'),
        refusal(
            f"a target's Python is written like `3.10`, not `3.{'9' * 5000}`",
            "coral.lock:15: targets.jetson",
        ),
    ),
    (
        "a malformed platform",
        changed('"manylinux_2_31_aarch64"', '"any"'),
        refusal(
            "a target's platform is a tag like `manylinux_2_31_aarch64`, not `any`",
            "coral.lock:15: targets.jetson",
        ),
    ),
    (
        "an unknown field of a target",
        changed('      "python": "3.10",\n', '      "python": "3.10",\n      "os": "linux",\n'),
        refusal("unknown field `os`", "coral.lock:17: targets.jetson.os"),
    ),
    (
        "an unknown target",
        targets_of_rknn("jetson", "nano"),
        refusal(
            "`nano` isn't a target of this lock",
            'coral.lock:35: plugins["backends:rknn"].targets[1]',
        ),
    ),
    (
        "a target twice",
        targets_of_rknn("jetson", "jetson"),
        refusal(
            "must be sorted and unique",
            'coral.lock:33: plugins["backends:rknn"].targets',
        ),
    ),
    (
        "all targets",
        targets_of_rknn("jetson", "server"),
        refusal(
            "an entry for all targets has no `targets`",
            'coral.lock:33: plugins["backends:rknn"].targets',
        ),
    ),
    (
        "no target",
        changed(RKNN, '      "after": [],\n      "targets": []\n'),
        refusal(
            "`rknn-backend` isn't locked for the target `server`",
            'coral.lock:26: plugins["backends:rknn"].distribution',
        ),
    ),
    (
        "no target of a distribution that is for all",
        changed('      "requires": []\n', '      "requires": [],\n      "targets": []\n'),
        refusal(
            NO_CANONICAL_FORM, "coral.lock:79", expected='"requires": []', found='"requires": [],'
        ),
    ),
    (
        "an order of fields that isn't canonical",
        changed(
            RKNN,
            RKNN.replace('      "after": [],\n', "").rstrip("\n") + ",\n" + '      "after": []\n',
        ),
        refusal(NO_CANONICAL_FORM, "coral.lock:32", expected='"after": [],', found='"targets": ['),
    ),
    (
        "a plugin whose distribution isn't there",
        changed(RKNN, RKNN.replace("jetson", "server")),
        refusal(
            "`rknn-backend` isn't locked for the target `server`",
            'coral.lock:26: plugins["backends:rknn"].distribution',
        ),
    ),
    (
        "a requirement that isn't there",
        changed(
            '        "numpy"\n      ],\n', '        "numpy",\n        "rknn-backend"\n      ],\n'
        ).replace(f',\n      "target_requires": {{\n{EDGES}      }}\n', "\n"),
        refusal(
            "`rknn-backend` isn't locked for the target `server`",
            'coral.lock:64: distributions["my-package"].requires',
        ),
    ),
    (
        "a target's requirement that isn't there",
        edges("server", "rknn-backend"),
        refusal(
            "`rknn-backend` isn't locked for the target `server`",
            'coral.lock:68: distributions["my-package"].target_requires.server',
        ),
    ),
    (
        "a target's requirement that isn't locked",
        edges("jetson", "absent"),
        refusal(
            "`absent` isn't one of the lock's distributions",
            'coral.lock:68: distributions["my-package"].target_requires.jetson',
        ),
    ),
    (
        "a target's requirement that every target has",
        edges("jetson", "numpy", "rknn-backend"),
        refusal(
            "`numpy` is in `requires` already",
            'coral.lock:69: distributions["my-package"].target_requires.jetson[0]',
        ),
    ),
    (
        "a requirement of each target",
        changed(
            '      "requires": [\n        "numpy"\n      ],\n', '      "requires": [],\n'
        ).replace(
            EDGES,
            EDGES.replace('"rknn-backend"', '"numpy"').rstrip("\n")
            + ',\n        "server": [\n          "numpy"\n        ]\n',
        ),
        refusal(
            "every target requires `numpy`, so it belongs in `requires`",
            'coral.lock:65: distributions["my-package"].target_requires',
        ),
    ),
    (
        "no requirement of a target",
        changed(EDGES, '        "jetson": []\n'),
        refusal(
            "must not be empty",
            'coral.lock:68: distributions["my-package"].target_requires.jetson',
        ),
    ),
    (
        "unsorted requirements of a target",
        edges("jetson", "rknn-backend", "my-package"),
        refusal(
            "must be sorted and unique",
            'coral.lock:68: distributions["my-package"].target_requires.jetson',
        ),
    ),
    (
        "requirements for a target that the distribution isn't for",
        changed(
            BACKEND,
            BACKEND.replace(
                '      "targets"',
                '      "target_requires": {\n        "server": [\n          "numpy"\n        ]\n'
                '      },\n      "targets"',
            ),
        ),
        refusal(
            "the entry isn't for the target `server`",
            'coral.lock:88: distributions["rknn-backend"].target_requires.server',
        ),
    ),
    (
        "a number for a target's requirements",
        changed(EDGES, '        "jetson": 1\n'),
        refusal(
            "expected an array of strings, found a number",
            'coral.lock:68: distributions["my-package"].target_requires.jetson',
        ),
    ),
    (
        "activated and left out",
        LEFT_OUT_TOO,
        refusal(
            "`patches:camera_stabilizer` is activated too",
            'coral.lock:50: excluded["patches:camera_stabilizer"]',
        ),
    ),
    (
        "an id that names its distribution needlessly",
        changed('"patches:future"', '"patches:future@future-plugin"'),
        refusal(
            "no other distribution offers `patches:future`, so its id must be `patches:future`",
            'coral.lock:50: excluded["patches:future@future-plugin"]',
        ),
    ),
    (
        "the first target's reason twice",
        changed(FUTURE_REASONS, '        "jetson": "broken"\n'),
        refusal(
            "the reason for the first target belongs in `reason`",
            'coral.lock:54: excluded["patches:future"].target_reasons.jetson',
        ),
    ),
    (
        "the same reason twice",
        changed(FUTURE_REASONS, '        "server": "requires core 9.0"\n'),
        refusal(
            "must differ from `reason`",
            'coral.lock:54: excluded["patches:future"].target_reasons.server',
        ),
    ),
    (
        "a reason for an unknown target",
        changed(FUTURE_REASONS, '        "nano": "broken"\n'),
        refusal(
            "the entry isn't for the target `nano`",
            'coral.lock:54: excluded["patches:future"].target_reasons.nano',
        ),
    ),
    (
        "half of a surrogate pair in a reason",
        changed(FUTURE_REASONS, '        "server": "\\ud800"\n'),
        refusal(
            "the text holds half of a surrogate pair",
            'coral.lock:54: excluded["patches:future"].target_reasons.server',
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


def test_it_is_read_as_it_was_written() -> None:
    assert read_lock(TEXT) == lock_of_targets()
    assert size_of(lock_of_targets()) == "2 plugins, 1 excluded, 3 distributions, 2 targets"
    assert size_of(sample_lock()) == "2 plugins, 1 excluded, 3 distributions"


def refused(lock: Lock, **changes: object) -> tuple[str, str]:
    """Return the message and the path of the error that the changed lock gives."""
    with pytest.raises(InvalidLockError) as caught:
        lock.replace(**changes)
    return caught.value.message, caught.value.path


def test_without_targets_nothing_is_for_some() -> None:
    lock = sample_lock()
    rknn, camera = lock.plugins
    (future,) = lock.excluded
    numpy = lock.distribution("numpy")
    assert refused(lock, plugins=(rknn.replace(targets=("a",)), camera)) == (
        "`a` isn't a target of this lock",
        'plugins["backends:rknn"].targets[0]',
    )
    assert refused(lock, excluded=(future.replace(target_reasons={"a": "x"}),)) == (
        "the entry isn't for the target `a`",
        'excluded["patches:future"].target_reasons.a',
    )
    edges = numpy.replace(target_requires={"a": ("my-package",)})
    others = tuple(each for each in lock.distributions if each.name != "numpy")
    assert refused(lock, distributions=(*others, edges)) == (
        "the entry isn't for the target `a`",
        "distributions.numpy.target_requires.a",
    )
    assert refused(lock, host=lock.host.replace(python=None)) == (
        "a lock without targets has `host.python`",
        "host",
    )


def test_a_lone_target_has_all() -> None:
    target = Target(name=JETSON, python="3.10", platform="linux_aarch64")
    lock = sample_lock()
    alone = lock.replace(host=lock.host.replace(python=None), targets=(target,))
    assert read_lock(write_lock(alone)) == alone
    assert part_of(alone, JETSON) == lock.replace(host=lock.host.replace(python="3.10"))
    rknn, camera = alone.plugins
    assert refused(alone, plugins=(rknn.replace(targets=(JETSON,)), camera)) == (
        "an entry for all targets has no `targets`",
        'plugins["backends:rknn"].targets',
    )


def test_there_is_a_limit_of_targets() -> None:
    targets = [
        Target(name=f"t{number}", python="3.10", platform="linux_aarch64")
        for number in range(MAX_TARGETS + 1)
    ]
    lock = sample_lock()
    host = lock.host.replace(python=None)
    assert len(lock.replace(host=host, targets=tuple(targets[1:])).targets) == MAX_TARGETS
    assert refused(lock, host=host, targets=tuple(targets)) == (
        "a lock has at most 100 targets",
        "targets",
    )
    assert refused(lock, host=host, targets=(targets[0], targets[0])) == (
        "this entry appears twice",
        "targets.t0",
    )


def test_a_plugin_comes_after_plugins_of_its_own_targets() -> None:
    lock = lock_of_targets()
    rknn, camera = lock.plugins
    assert refused(lock, plugins=(rknn, camera.replace(targets=(SERVER,)))) == (
        "`backends:rknn` is only a plugin of other targets",
        'plugins["patches:camera_stabilizer"].after[0]',
    )
    (future,) = lock.excluded
    elsewhere = future.replace(targets=(JETSON,), target_reasons={})
    after = camera.replace(targets=(SERVER,), after=("patches:future",))
    assert refused(lock, plugins=(rknn, after), excluded=(elsewhere,)) == (
        "`patches:future` is only a plugin of other targets",
        'plugins["patches:camera_stabilizer"].after[0]',
    )


def test_a_plugin_may_be_activated_for_one_target_and_left_out_for_the_other() -> None:
    lock = lock_of_targets()
    left_out = ExcludedPlugin(
        id="backends:rknn", distribution="rknn-backend", reason="off", targets=(SERVER,)
    )
    both = lock.replace(excluded=(left_out,))
    assert read_lock(write_lock(both)) == both
    on_jetson, on_server = part_of(both, JETSON), part_of(both, SERVER)
    assert [plugin.id for plugin in on_jetson.plugins] == [
        "backends:rknn",
        "patches:camera_stabilizer",
    ]
    assert on_jetson.excluded == ()
    assert [plugin.id for plugin in on_server.plugins] == ["patches:camera_stabilizer"]
    assert on_server.excluded == (left_out.replace(targets=()),)
    assert on_server.plugins[0].after == ("backends:rknn",)
    assert refused(both, excluded=(left_out.replace(targets=(JETSON,)),)) == (
        "`backends:rknn` is activated too",
        'excluded["backends:rknn"]',
    )
    named = left_out.replace(id="backends:rknn@rknn-backend", targets=(JETSON,))
    assert refused(both, excluded=(named,)) == (
        "`backends:rknn` is activated too",
        'excluded["backends:rknn@rknn-backend"]',
    )


def test_an_id_names_its_distribution_where_several_offer_it_for_any_target() -> None:
    lock = lock_of_targets()
    first, second = (
        ExcludedPlugin(id=f"patches:x@{name}", distribution=name, reason="off", targets=(target,))
        for name, target in (("a", JETSON), ("b", SERVER))
    )
    both = lock.replace(excluded=(first, second))
    for target, distribution in ((JETSON, "a"), (SERVER, "b")):
        (excluded,) = part_of(both, target).excluded
        assert (excluded.id, excluded.distribution) == ("patches:x", distribution)
    assert refused(both, excluded=(first.replace(id="patches:x"), second)) == (
        "several distributions offer it, so its id must be `patches:x@a`",
        'excluded["patches:x"]',
    )


def test_the_part_of_each_target() -> None:
    lock = lock_of_targets()
    jetson, server = part_of(lock, JETSON), part_of(lock, SERVER)
    assert (jetson.host.python, server.host.python) == ("3.10", "3.11")
    assert jetson.targets == server.targets == ()
    assert [plugin.id for plugin in server.plugins] == ["patches:camera_stabilizer"]
    assert server.plugins[0].after == ()
    assert jetson.plugins[1].after == ("backends:rknn",)
    assert [plugin.reason for plugin in (*jetson.excluded, *server.excluded)] == [
        "requires core 9.0",
        "requires `backends:rknn`",
    ]
    assert jetson.distribution("my-package").requires == ("numpy", "rknn-backend")
    assert server.distribution("my-package").requires == ("numpy",)
    assert [each.name for each in server.distributions] == ["my-package", "numpy"]
    assert server.distribution("numpy").digests == {X86_TAG: digest_of("D")}
    assert jetson.distribution("numpy").digests == {ARM_TAG: digest_of("B")}
    with pytest.raises(KeyError, match="nano"):
        part_of(lock, "nano")


@pytest.mark.parametrize(
    ("digests", "message", "path"),
    [
        (
            {ARM_TAG: digest_of("B")},
            "none of these wheel tags fits the target `server`",
            "distributions.numpy.digests",
        ),
        (
            {TAG: digest_of("B"), "cp312-cp312-linux_x86_64": digest_of("D")},
            "this wheel tag fits no target that needs the distribution",
            'distributions.numpy.digests["cp312-cp312-linux_x86_64"]',
        ),
    ],
)
def test_digests_are_those_of_wheels_that_fit(
    digests: dict[str, str], message: str, path: str
) -> None:
    lock = lock_of_targets()
    package, numpy, backend = lock.distributions
    with pytest.raises(InvalidLockError) as raised:
        lock.replace(distributions=(package, numpy.replace(digests=digests), backend))
    assert (raised.value.message, raised.value.path) == (message, path)


def with_numpy(digests: dict[str, str]) -> Lock:
    part = part_of(lock_of_targets(), SERVER)
    package, numpy = part.distributions
    return part.replace(distributions=(package, numpy.replace(digests=digests)))


@pytest.mark.parametrize(
    ("derived", "kept"),
    [
        ({X86_TAG: digest_of("D")}, {X86_TAG: digest_of("D")}),
        ({X86_TAG: digest_of("Z")}, {X86_TAG: digest_of("D")}),
        ({ARM_TAG: digest_of("D")}, {TAG: digest_of("B"), X86_TAG: digest_of("D")}),
        (
            {ARM_TAG: digest_of("A"), X86_TAG: digest_of("D")},
            {TAG: digest_of("B"), X86_TAG: digest_of("D")},
        ),
        ({}, {TAG: digest_of("B"), X86_TAG: digest_of("D")}),
    ],
)
def test_the_digests_that_a_machine_can_have(derived: dict[str, str], kept: dict[str, str]) -> None:
    part = with_numpy({TAG: digest_of("B"), X86_TAG: digest_of("D")})
    assert narrowed_digests(part, with_numpy(derived)) == with_numpy(kept)


def test_the_digests_of_what_a_machine_does_not_have_are_kept() -> None:
    part = part_of(lock_of_targets(), SERVER)
    assert narrowed_digests(part, part.replace(plugins=(), distributions=())) == part
