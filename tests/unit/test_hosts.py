"""The host: what is there, what was told of it, and where the two disagree."""

from __future__ import annotations

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.finding import ERROR, Finding
from coral_lock.inventory import EntryPoint
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.locking.decision import (
    DiscoveredPlugin,
    UnmetRequirement,
    find_host,
    unmet_requirement,
)
from coral_lock.plugin.facts import PluginFacts
from tests.support.shelf import Shelf, shelved

PINS = ("host.core=0.0.4", "host.inference=0.58.0")


def _shelf(**versions: str) -> Shelf:
    """Return an inventory of these distributions."""
    return Shelf(*(shelved(name.replace("_", "-"), each) for name, each in versions.items()))


def _find(
    shelf: Shelf,
    *settings: str,
    core: str | None = None,
    inference: str | None = None,
) -> tuple[Host, tuple[Finding, ...]]:
    descriptor = load_descriptor(
        None, settings=settings, core_version=core, inference_version=inference
    )
    return find_host(shelf, descriptor)


def _host(core: str | None, inference: str | None, name: str = "inference") -> Host:
    return Host(
        core=HostPackage(distribution="coral-inference", version=core) if core else None,
        inference=HostPackage(distribution=name, version=inference) if inference else None,
        python="3.10",
    )


def test_nothing_is_there_and_nothing_is_told() -> None:
    assert _find(_shelf()) == (_host(None, None), ())


def test_the_descriptor_tells_what_is_not_there() -> None:
    assert _find(_shelf(), *PINS) == (_host("0.0.4", "0.58.0"), ())


def test_a_flag_wins_over_the_descriptor() -> None:
    assert _find(_shelf(), *PINS, core="0.0.5") == (_host("0.0.5", "0.58.0"), ())


def test_what_is_there_is_the_host_and_may_be_told_too() -> None:
    shelf = _shelf(coral_inference="0.0.4", inference_gpu="0.58.0")
    there = _host("0.0.4", "0.58.0", "inference-gpu")
    assert _find(shelf) == (there, ())
    assert _find(shelf, *PINS) == (there, ())
    assert _find(shelf, 'host.inference="0.58"', core="v0.0.4") == (there, ())


@pytest.mark.parametrize("told", ["0.0.5", "0.0.4.post1"])
def test_a_flag_that_tells_another_version(told: str) -> None:
    host, findings = _find(_shelf(coral_inference="0.0.4"), core=told)
    assert host == _host("0.0.4", None)
    assert findings == (
        Finding(
            code="host-drift",
            severity=ERROR,
            subject="coral-inference",
            summary="the given version of the core host isn't the one that was found",
            expected=told,
            found="0.0.4",
            where=f"--core-version {told}",
            hint="give that version, or none",
        ),
    )


def test_a_descriptor_that_tells_another_version() -> None:
    host, findings = _find(_shelf(inference_core="0.59.0"), *PINS)
    assert host == _host("0.0.4", "0.59.0", "inference-core")
    assert findings == (
        Finding(
            code="host-drift",
            severity=ERROR,
            subject="inference-core",
            summary="the given version of the inference host isn't the one that was found",
            expected="0.58.0",
            found="0.59.0",
            where="--set host.inference=0.58.0",
            hint="give that version, or none",
        ),
    )


def test_one_host_under_two_names() -> None:
    host, findings = _find(_shelf(inference="0.58.0", inference_gpu="0.59.0"))
    assert host == _host(None, "0.58.0")
    assert findings == (
        Finding(
            code="conflict",
            severity=ERROR,
            subject="inference",
            summary="the inference host is there under several names, which overwrite each "
            "other's files",
            expected="one of them",
            found="inference 0.58.0, inference-gpu 0.59.0",
            hint="keep one: uninstall all of them and install the one you want, or take the "
            "others' wheels away",
        ),
    )


@pytest.mark.parametrize(
    ("field", "role", "distribution"),
    [
        ("min_core_version", "core", "coral-inference"),
        ("min_inference_version", "inference", "inference"),
    ],
)
def test_a_host_that_nobody_tells(field: str, role: str, distribution: str) -> None:
    plugin = DiscoveredPlugin(
        id="patches:camera",
        entry_point=EntryPoint(group="patches", name="camera", value="acme:camera"),
        distribution=shelved("acme"),
        facts=PluginFacts(name="camera").replace(**{field: "0.0.4"}),
    )
    unmet = unmet_requirement(plugin, "rknn", _host(None, None))
    assert unmet == UnmetRequirement(
        code="host-unknown",
        reason=f"requires {distribution} >= 0.0.4, and no {role} host is there",
        hint=f"pass its version with `--{role}-version V`, set "
        f'`host: {{{role}: "V"}}` in the descriptor, or add it',
    )
    assert unmet.is_uncertain
