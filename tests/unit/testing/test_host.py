"""`coral_host` makes an environment look as if it had a host."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import Distribution
from coral_lock.locking.resolution import resolve, survey
from coral_lock.names import INFERENCE_DISTRIBUTIONS
from coral_lock.testing.fixtures import FakeHost
from coral_lock.verification.findings import findings_of
from coral_lock.verification.machine import MachineState
from tests.support.locked_site import environment_of

NAMES = ("coral-inference", *INFERENCE_DISTRIBUTIONS)


def _hosts() -> dict[str, str]:
    """Return the hosts that coral-lock finds, with their versions."""
    inventory = EnvironmentInventory()
    found = {name: inventory.find(name) for name in NAMES}
    return {name: host.version for name, host in found.items() if isinstance(host, Distribution)}


def test_it_is_found(coral_host: FakeHost) -> None:
    coral_host(core="0.0.4", inference="0.58.0")
    assert _hosts() == {"coral-inference": "0.0.4", "inference": "0.58.0"}
    assert importlib.metadata.version("coral-inference") == "0.0.4"
    assert importlib.metadata.version("inference") == "0.58.0"


def test_a_later_call_replaces_an_earlier_one(coral_host: FakeHost) -> None:
    coral_host(core="0.0.4", inference="0.58.0")
    coral_host(inference="0.60.0", inference_distribution="inference-gpu")
    assert _hosts() == {"inference-gpu": "0.60.0"}
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("coral-inference")


def test_an_installed_host_is_passed_over(
    coral_host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "inference_cpu-0.50.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: inference-cpu\nVersion: 0.50.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert _hosts()["inference-cpu"] == "0.50.0"
    coral_host(core="0.0.4", inference="0.58.0")
    assert _hosts() == {"coral-inference": "0.0.4", "inference": "0.58.0"}


def test_it_can_be_locked_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, path = FakeHost(str(tmp_path), monkeypatch), [str(tmp_path)]
    host(core="0.0.4", inference="0.58.0")
    lock, findings = resolve(survey(EnvironmentInventory(path), load_descriptor(None)))
    assert findings == ()
    assert lock is not None
    assert [distribution.name for distribution in lock.distributions] == [
        "coral-inference",
        "inference",
    ]
    assert findings_of(lock, MachineState(lock, "full", environment_of(path))) == ()
    host(core="0.0.3", inference="0.58.0")
    (finding, *_) = findings_of(lock, MachineState(lock, "full", environment_of(path)))
    assert (finding.code, finding.expected, finding.found) == (
        "host-drift",
        "coral-inference 0.0.4",
        "coral-inference 0.0.3",
    )


def test_it_is_gone_after_the_test(tmp_path: Path) -> None:
    monkeypatch = pytest.MonkeyPatch()
    before = _hosts()
    FakeHost(str(tmp_path), monkeypatch)(core="7.0", inference="8.0")
    assert _hosts() == {"coral-inference": "7.0", "inference": "8.0"}
    monkeypatch.undo()
    assert _hosts() == before


def test_what_can_t_be_a_host(coral_host: FakeHost) -> None:
    with pytest.raises(ValueError, match=r"newest"):
        coral_host(core="newest")
    with pytest.raises(
        ValueError,
        match=r"^the inference host is one of inference, inference-core, inference-cpu, "
        r"inference-gpu, not `inference-tpu`$",
    ):
        coral_host(inference="1.0", inference_distribution="inference-tpu")
