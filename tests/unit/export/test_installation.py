"""From a lock and its wheels to what is to be installed, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.markers import Marker

from coral_lock.errors import InputError
from coral_lock.export.installation import (
    Installation,
    distributions_for,
    installation_of,
    marker_of,
)
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.lockfile.entries import Host, HostPackage, LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.targets.environment import environment_of
from coral_lock.targets.model import Target
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import read_contents
from coral_lock.wheels.wheelhouse import Wheelhouse
from tests.support.locks import ARM_TAG, JETSON, SERVER, X86_TAG, digest_of, lock_of_targets
from tests.support.plugin_wheels import make_library

A = Target(name="a", python="3.10", platform="manylinux_2_31_aarch64")
B = Target(name="b", python="3.11", platform="manylinux_2_17_x86_64")
C = Target(name="c", python="3.11.4", platform="musllinux_1_2_x86_64")
MARKER_A = "python_version == '3.10' and sys_platform == 'linux' and platform_machine == 'aarch64'"
MARKER_B = "python_version == '3.11' and sys_platform == 'linux' and platform_machine == 'x86_64'"
MARKER_C = MARKER_B.replace("python_version == '3.11'", "python_full_version == '3.11.4'")


@pytest.mark.parametrize(
    ("platform", "rest"),
    [
        ("linux_aarch64", " and sys_platform == 'linux' and platform_machine == 'aarch64'"),
        ("musllinux_1_2_x86_64", " and sys_platform == 'linux' and platform_machine == 'x86_64'"),
        ("win_amd64", " and sys_platform == 'win32' and platform_machine == 'AMD64'"),
        ("macosx_11_0_arm64", " and sys_platform == 'darwin' and platform_machine == 'arm64'"),
    ],
)
@pytest.mark.parametrize(
    ("python", "first"),
    [("3.9", "python_version == '3.9'"), ("3.12.1", "python_full_version == '3.12.1'")],
)
def test_the_marker_of_a_target(platform: str, rest: str, python: str, first: str) -> None:
    target = Target(name="any", python=python, platform=platform)
    assert marker_of(target) == first + rest
    assert Marker(marker_of(target)).evaluate(dict(environment_of(target).markers))


def locked(directory: Path, name: str, targets: tuple[str, ...] = ()) -> LockedDistribution:
    with WheelArchive(str(make_library(directory, name))) as archive:
        contents = read_contents(archive)
    digests = {contents.tag: contents.digest}
    return LockedDistribution(name=name, version="1.0", digests=digests, targets=targets)


def exported(directory: Path, lock: Lock, target: str | None = None) -> Installation:
    installation, findings = installation_of(lock, Wheelhouse([str(directory)]), target)
    assert findings == ()
    assert installation is not None
    return installation


def markers(installation: Installation) -> dict[str, str | None]:
    return {pin.name: pin.marker for pin in installation.pins}


def test_markers_of_several_targets(tmp_path: Path) -> None:
    names = {
        "for-a": ("a",),
        "for-a-and-b": ("a", "b"),
        "for-all": (),
        "for-c": ("c",),
    }
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=None),
        targets=(A, B, C),
        distributions=tuple(locked(tmp_path, *each) for each in names.items()),
    )
    _, findings = installation_of(lock, Wheelhouse([str(tmp_path)]), None)
    # The marker of `b` holds on machines of `c`, too.
    assert [(f.code, f.subject, f.expected, f.found) for f in findings] == [
        ("conflict", "for-a-and-b", "a, b", "c")
    ]
    others = tuple(each for each in lock.distributions if each.name != "for-a-and-b")
    installation = exported(tmp_path, lock.replace(distributions=others))
    assert markers(installation) == {"for-a": MARKER_A, "for-all": None, "for-c": MARKER_C}
    assert installation.python is None
    assert installation.environments == tuple(sorted((MARKER_A, MARKER_B, MARKER_C)))
    assert markers(exported(tmp_path, lock, "b")) == {"for-a-and-b": None, "for-all": None}


def test_what_two_of_three_targets_need(tmp_path: Path) -> None:
    c = C.replace(python="3.12")
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=None),
        targets=(A, B, c),
        distributions=(locked(tmp_path, "some", ("a", "b")),),
    )
    marker = markers(exported(tmp_path, lock))["some"]
    assert marker == f"({MARKER_A}) or ({MARKER_B})"
    holds = {
        target.name: Marker(marker).evaluate(dict(environment_of(target).markers))
        for target in lock.targets
    }
    assert holds == {"a": True, "b": True, "c": False}


@pytest.mark.parametrize(
    ("targets", "target", "python", "environments"),
    [
        ((), None, "3.12", ()),
        ((B,), None, "3.11", (MARKER_B,)),
        ((B, C), None, "3.11", (MARKER_C, MARKER_B)),
        ((A, B), None, None, (MARKER_A, MARKER_B)),
        ((A, B), "a", "3.10", (MARKER_A,)),
    ],
)
def test_the_python_that_is_needed(
    tmp_path: Path,
    targets: tuple[Target, ...],
    target: str | None,
    python: str | None,
    environments: tuple[str, ...],
) -> None:
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=None if targets else "3.12"),
        targets=targets,
        distributions=(locked(tmp_path, "any"),),
    )
    installation = exported(tmp_path, lock, target)
    assert (installation.python, installation.environments) == (python, environments)


def test_hosts_that_were_only_told(tmp_path: Path) -> None:
    lock = Lock(
        platform="onnx",
        host=Host(
            core=HostPackage(distribution="coral-inference", version="1.0"),
            inference=HostPackage(distribution="inference-gpu", version="0.58.0"),
            python="3.12",
        ),
        distributions=(locked(tmp_path, "coral-inference"),),
    )
    assert exported(tmp_path, lock).unpinned_hosts == ("inference-gpu 0.58.0",)


def test_one_target_needs_one_wheel() -> None:
    lock = lock_of_targets()
    for target, tag in ((JETSON, ARM_TAG), (SERVER, X86_TAG)):
        chosen = {each.name: list(each.digests) for each in distributions_for(lock, target)}
        assert chosen["numpy"] == [tag]
    assert "rknn-backend" not in chosen
    assert distributions_for(lock, None) == lock.distributions


def test_of_several_wheels_that_suit_the_best_is_taken() -> None:
    lock = lock_of_targets()
    digest = next(iter(lock.distribution("numpy").digests.values()))
    for tags, best in (
        (("py3-none-any", "cp310-abi3-manylinux_2_17_aarch64"), 1),
        (
            ("cp310-cp310-manylinux2014_aarch64.manylinux_2_17_aarch64", "cp39-abi3-linux_aarch64"),
            0,
        ),
        (("cp310-cp310-manylinux_2_17_aarch64", "cp310-cp310-manylinux_2_28_aarch64"), 1),
    ):
        digests = dict.fromkeys((*tags, X86_TAG), digest)
        numpy = lock.distribution("numpy").replace(digests=digests)
        others = tuple(each for each in lock.distributions if each.name != "numpy")
        chosen = distributions_for(lock.replace(distributions=(*others, numpy)), JETSON)
        assert [list(each.digests) for each in chosen if each.name == "numpy"] == [[tags[best]]]


def test_where_no_wheel_is_known_to_suit_all_are_asked_for() -> None:
    """What older Macs' wheels fit is never sure."""
    mac = Target(name="mac", python="3.11", platform="macosx_11_0_arm64")
    digests = dict.fromkeys(
        ("py3-none-macosx_10_9_intel", "py3-none-macosx_10_9_universal"), digest_of("A")
    )
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=None),
        targets=(mac,),
        distributions=(LockedDistribution(name="lens", version="1.0", digests=digests),),
    )
    (lens,) = distributions_for(lock, "mac")
    assert lens.digests == digests


def test_what_is_unpinned_stays_so() -> None:
    lock = lock_of_targets()
    package, numpy, backend = lock.distributions
    lock = lock.replace(distributions=(package, numpy.replace(digests={}), backend))
    assert {each.name: each.digests for each in distributions_for(lock, JETSON)}["numpy"] == {}


def test_an_unknown_target() -> None:
    with pytest.raises(InputError, match="the lock has no target `nano`"):
        distributions_for(lock_of_targets(), "nano")


UNPINNED = Finding(
    code="unpinned",
    severity=WARNING,
    subject="lens",
    summary="the lock has no digest of `lens` 1.0, so its wheel can't be verified",
    where="distributions.lens",
    hint="make sure that you trust the wheel, or lock it with its digest",
)


def test_of_what_is_unpinned_the_wheels_that_fit_are_taken(tmp_path: Path) -> None:
    make_library(tmp_path, "lens", tag="py3-none-manylinux_2_17_aarch64")
    make_library(tmp_path, "lens", tag="py3-none-manylinux_2_17_x86_64")
    make_library(tmp_path, "lens", tag="py3-none-win32")
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=None),
        targets=(A, B),
        distributions=(LockedDistribution(name="lens", version="1.0", digests={}),),
    )
    wheelhouse = Wheelhouse([str(tmp_path)])
    for target, machines in ((None, ("aarch64", "x86_64")), ("a", ("aarch64",))):
        installation, findings = installation_of(lock, wheelhouse, target)
        assert findings == (UNPINNED,)
        assert installation is not None
        (pin,) = installation.pins
        assert [wheel.file_name for wheel in pin.wheels] == [
            f"lens-1.0-py3-none-manylinux_2_17_{machine}.whl" for machine in machines
        ]


def test_of_what_is_unpinned_no_wheel_fits(tmp_path: Path) -> None:
    make_library(tmp_path, "lens", tag="py3-none-win32")
    lock = Lock(
        platform="onnx",
        host=Host(core=None, inference=None, python=None),
        targets=(A, B),
        distributions=(LockedDistribution(name="lens", version="1.0", digests={}),),
    )
    installation, findings = installation_of(lock, Wheelhouse([str(tmp_path)]), None)
    assert installation is None
    assert findings == (
        Finding(
            code="distribution-missing",
            severity=ERROR,
            subject="lens",
            summary="no wheel of `lens` 1.0 in the wheelhouse fits the target",
            hint="add a wheel of that version that fits",
        ),
        UNPINNED,
    )
