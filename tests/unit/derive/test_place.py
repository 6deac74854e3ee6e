"""Where to look and what for, as a user names it."""

from __future__ import annotations

import pytest

from coral_lock.derive.opening import WantedTargets, targets_of
from coral_lock.derive.place import Place
from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import CoralLockError, UsageError
from coral_lock.targets.model import Target
from tests.support.locks import lock_of_targets
from tests.support.refusals import refusal, told

JETSON, SERVER = lock_of_targets().targets
LINUX = Target(name="py3.11-linux_aarch64", python="3.11", platform="linux_aarch64")


def descriptor(*targets: Target) -> Descriptor:
    return load_descriptor(None).replace(targets=targets)


@pytest.mark.parametrize(
    ("named", "every", "inspected"),
    [
        ((), (JETSON, SERVER), (JETSON, SERVER)),
        # A name alone says which part of the descriptor's is inspected.
        (("server",), (JETSON, SERVER), (SERVER,)),
        (("server", "jetson"), (JETSON, SERVER), (JETSON, SERVER)),
        # A description stands in place of the descriptor's.
        (("python=3.11,platform=linux_aarch64",), (LINUX,), (LINUX,)),
        (
            ("server", "python=3.11,platform=linux_aarch64,name=a"),
            (LINUX.replace(name="a"), SERVER),
            (LINUX.replace(name="a"), SERVER),
        ),
        # A description counts, whatever the descriptor calls by that name.
        (
            ("python=3.11,platform=linux_aarch64,name=server",),
            (LINUX.replace(name="server"),),
            (LINUX.replace(name="server"),),
        ),
    ],
)
def test_targets(
    named: tuple[str, ...], every: tuple[Target, ...], inspected: tuple[Target, ...]
) -> None:
    wanted = targets_of(Place(targets=named), descriptor(JETSON, SERVER))
    assert wanted == WantedTargets(every=every, inspected=inspected)


def test_no_targets() -> None:
    wanted = targets_of(Place(), descriptor())
    assert wanted == WantedTargets(every=(), inspected=())


USE = "use `--target python=3.11,platform=linux_aarch64`"
TARGETS = f"use one of those, or {USE[4:]}"
TWICE = "rename one: `--target name=…,python=…,platform=…`"


@pytest.mark.parametrize(
    ("named", "declared", "message", "expected", "hint"),
    [
        (
            ("nano",),
            (SERVER, JETSON),
            "the descriptor has no target `nano`",
            "jetson, server",
            TARGETS,
        ),
        (
            ("nano",),
            (),
            "the descriptor has no target `nano`",
            "`targets` in the descriptor",
            USE,
        ),
        (("jetson", "jetson"), (JETSON,), "two targets have the name `jetson`", None, TWICE),
        (
            ("jetson", "name=jetson,python=3.10,platform=linux_aarch64"),
            (JETSON,),
            "two targets have the name `jetson`",
            None,
            TWICE,
        ),
    ],
)
def test_targets_that_cannot_be(
    named: tuple[str, ...],
    declared: tuple[Target, ...],
    message: str,
    expected: str | None,
    hint: str,
) -> None:
    with pytest.raises(CoralLockError) as caught:
        targets_of(Place(targets=named), descriptor(*declared))
    assert told(caught.value) == {**refusal(message, "", hint, expected), "where": None}


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ({"python": "a", "wheels": ("b",)}, "`--python` and `--wheels`"),
        ({"wheels": ("b",), "site_packages": ("c",)}, "`--wheels` and `--site-packages`"),
        ({"python": "a", "site_packages": ("c",)}, "`--python` and `--site-packages`"),
    ],
)
def test_only_one_kind_of_place(place: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        Place(**place)  # type: ignore[arg-type]
    assert caught.value.message == f"{named} are mutually exclusive"
