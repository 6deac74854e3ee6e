"""The locks of two targets, one of them changed, and what keeps them out of one lock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.finding import ERROR, Finding
from coral_lock.lockfile.entries import ExcludedPlugin, HostPackage, LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import part_of
from coral_lock.locking.combination import combine
from coral_lock.targets.model import Target
from tests.support.locks import (
    ARM_TAG,
    JETSON,
    SERVER,
    TAG,
    X86_TAG,
    digest_of,
    lock_of_targets,
)

DESCRIPTOR = load_descriptor(None)
CAMERA = "patches:camera_stabilizer"
TARGETS = lock_of_targets().targets
ONE_VERSION = (
    "leave one version that fits every target in the wheelhouse, or write a lock for each target"
)
SAME_SOURCES = "build the wheels of `my-package` from the same sources"


def parts() -> dict[str, Lock]:
    lock = lock_of_targets()
    return {target.name: part_of(lock, target.name) for target in lock.targets}


def combined(server: Lock) -> tuple[Lock | None, tuple[Finding, ...]]:
    """Return what the sample's part for the jetson and a changed one for the server make."""
    return combine({**parts(), SERVER: server}, TARGETS, DESCRIPTOR)


def host(**changes: object) -> Lock:
    server = parts()[SERVER]
    return server.replace(host=server.host.replace(**changes))


def camera(**changes: object) -> Lock:
    server = parts()[SERVER]
    (plugin,) = server.plugins
    return server.replace(plugins=(plugin.replace(**changes),))


def numpy(**changes: object) -> Lock:
    server = parts()[SERVER]
    package, other = server.distributions
    return server.replace(distributions=(package, other.replace(**changes)))


def package(**changes: object) -> Lock:
    server = parts()[SERVER]
    changed, other = server.distributions
    return server.replace(distributions=(changed.replace(**changes), other))


def conflict(
    subject: str, summary: str, expected: str | None, found: str | None, hint: str | None
) -> tuple[str | None, ...]:
    return subject, summary, expected, found, hint


def field(what: str, found: str) -> tuple[str | None, ...]:
    """Return the conflict over what the spec of the camera's plugin says."""
    return conflict(
        CAMERA,
        f"the {what} of `{CAMERA}` differs between the targets",
        "the same for every target",
        found,
        SAME_SOURCES,
    )


def loss(subject: str, path: str, target: str, expected: str, found: str) -> tuple[str | None, ...]:
    """Return the conflict over what one lock of all targets would say otherwise of one."""
    return conflict(
        subject,
        f"the targets can't be in one lock: `{path}` is different for `{target}`",
        expected,
        found,
        "lock all targets with one descriptor and from one wheelhouse, or write a lock for each "
        "target",
    )


CASES: list[tuple[Callable[[], Lock], tuple[str | None, ...]]] = [
    (
        lambda: parts()[SERVER].replace(platform="onnx"),
        loss("platform", "platform", SERVER, "rknn", "onnx"),
    ),
    (
        lambda: host(core=HostPackage(distribution="coral-inference", version="0.0.5")),
        conflict(
            "coral-inference",
            "the version of the core host differs between the targets",
            "the same for every target",
            "coral-inference==0.0.4 for `jetson`, coral-inference==0.0.5 for `server`",
            ONE_VERSION,
        ),
    ),
    (
        lambda: host(inference=HostPackage(distribution="inference-gpu", version="0.58.0")),
        conflict(
            "inference",
            "the version of the inference host differs between the targets",
            "the same for every target",
            "inference==0.58.0 for `jetson`, inference-gpu==0.58.0 for `server`",
            ONE_VERSION,
        ),
    ),
    (
        lambda: host(core=None),
        conflict(
            "coral-inference",
            "the version of the core host differs between the targets",
            "the same for every target",
            "coral-inference==0.0.4 for `jetson`, none for `server`",
            ONE_VERSION,
        ),
    ),
    (
        lambda: numpy(version="2.1.0", digests={X86_TAG: digest_of("D")}),
        conflict(
            "numpy",
            "the version of `numpy` differs between the targets",
            "the same for every target",
            "2.0.0 for `jetson`, 2.1.0 for `server`",
            ONE_VERSION,
        ),
    ),
    (
        lambda: package(digests={TAG: digest_of("Z")}),
        loss(
            "my-package",
            f'distributions["my-package"].digests["{TAG}"]',
            JETSON,
            "t1:ZZZZZZZZZZZZ…ZZZZZZ=",
            "t1:AAAAAAAAAAAA…AAAAAA=",
        ),
    ),
    (
        lambda: numpy(digests={}),
        conflict(
            "distributions.numpy.digests",
            "the targets can't be in one lock: none of these wheel tags fits the target `server`",
            None,
            None,
            None,
        ),
    ),
    (
        lambda: camera(distribution="numpy"),
        conflict(
            CAMERA,
            f"the `distribution` of `{CAMERA}` differs between the targets",
            "the same for every target",
            "my-package for `jetson`, numpy for `server`",
            "choose one in the descriptor: "
            "`patches: {camera_stabilizer: {distribution: my-package}}`",
        ),
    ),
    (
        lambda: camera(entry_point="my_package:register"),
        field(
            "entry point",
            "my_package.coral_plugins:register_camera_stabilizer for `jetson`, "
            "my_package:register for `server`",
        ),
    ),
    (
        lambda: camera(description="Other\n"),
        field(
            "`description`",
            '"Improve camera stream stability" for `jetson`, "Other\\n" for `server`',
        ),
    ),
    (
        lambda: camera(min_core_version=None),
        field("required core version", "0.0.4 for `jetson`, none for `server`"),
    ),
    (
        lambda: camera(min_inference_version="1.0"),
        field("required inference version", "0.9.0 for `jetson`, 1.0 for `server`"),
    ),
    (
        lambda: camera(optional=False),
        field("`optional`", "true for `jetson`, false for `server`"),
    ),
    (
        lambda: camera(default_config_overrides={"services": {"x": 1}}),
        field("default configuration", "{} for `jetson`, {services: {x: 1}} for `server`"),
    ),
    (
        lambda: camera(env=("ACME_TOKEN",)),
        field("required environment variables", "[] for `jetson`, [ACME_TOKEN] for `server`"),
    ),
    (
        lambda: camera(after=("patches:future",)),
        loss(
            CAMERA,
            f'plugins["{CAMERA}"].after',
            JETSON,
            "[backends:rknn, patches:future]",
            "[backends:rknn]",
        ),
    ),
]


@pytest.mark.parametrize(("make", "expected"), CASES)
def test_what_keeps_targets_apart(
    make: Callable[[], Lock], expected: tuple[str | None, ...]
) -> None:
    lock, findings = combined(make())
    assert lock is None
    assert {(finding.code, finding.severity) for finding in findings} == {("conflict", ERROR)}
    assert [
        (each.subject, each.summary, each.expected, each.found, each.hint) for each in findings
    ] == [expected]


def test_everything_is_told_at_once_and_targets_of_one_mind_together() -> None:
    apart = numpy(version="2.1.0").replace(host=host(core=None).host)
    nano = Target(name="nano", python="3.11", platform="linux_armv7l")
    lock, findings = combine(
        {**parts(), SERVER: apart, "nano": apart}, (*TARGETS, nano), DESCRIPTOR
    )
    assert lock is None
    assert [(finding.subject, finding.found) for finding in findings] == [
        ("coral-inference", "coral-inference==0.0.4 for `jetson`, none for `nano` and `server`"),
        ("numpy", "2.0.0 for `jetson`, 2.1.0 for `nano` and `server`"),
    ]


def test_parts_make_the_lock_with_the_digests_of_each() -> None:
    lock = lock_of_targets()
    assert combine(parts(), TARGETS, DESCRIPTOR) == (lock, ())
    jetson = parts()[JETSON]
    package, other, backend = jetson.distributions
    other = other.replace(digests={ARM_TAG: digest_of("B")})
    of_own = {
        JETSON: jetson.replace(distributions=(package, other, backend)),
        SERVER: numpy(digests={X86_TAG: digest_of("D")}),
    }
    assert combine(of_own, TARGETS[::-1], DESCRIPTOR) == (lock, ())


def test_plugins_of_one_name_left_out_from_several_distributions_are_told_apart() -> None:
    one = parts()
    for target, distribution in ((JETSON, "a"), (SERVER, "b")):
        plugin = ExcludedPlugin(id="patches:x", distribution=distribution, reason="off")
        one[target] = one[target].replace(excluded=(plugin,))
    lock, _ = combine(one, TARGETS, DESCRIPTOR)
    assert lock is not None
    assert [(plugin.id, plugin.targets) for plugin in lock.excluded] == [
        ("patches:x@a", (JETSON,)),
        ("patches:x@b", (SERVER,)),
    ]
    assert part_of(lock, JETSON) == one[JETSON]


def test_a_common_order_of_activation_is_needed() -> None:
    """Each waits for the other on a target where that one is left out."""
    one = parts()
    base = one[JETSON].plugins[1].replace(distribution="acme", after=())
    acme = LockedDistribution(name="acme", version="1.0", digests={TAG: digest_of("E")})
    for target, name, other in ((JETSON, "a", "b"), (SERVER, "b", "a")):
        one[target] = one[target].replace(
            plugins=(base.replace(id=f"patches:{name}", after=(f"patches:{other}",)),),
            excluded=(ExcludedPlugin(id=f"patches:{other}", distribution="acme", reason="off"),),
            distributions=(acme,),
        )
    lock, (finding,) = combine(one, TARGETS, DESCRIPTOR)
    assert lock is None
    assert (finding.code, finding.subject, finding.summary, finding.hint) == (
        "conflict",
        "patches:a",
        "the targets can't be in one lock: "
        "plugins wait for each other: `patches:a` → `patches:b` → `patches:a`",
        "have their authors correct `after` and `requires` in the manifests, or switch one of "
        "them off",
    )
