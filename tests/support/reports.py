"""Reports of starts, and the device of a plugin that starts as it is told."""

from __future__ import annotations

from pathlib import Path

from coral_lock import canonical_json
from coral_lock.start.report import (
    ACTIVATED,
    STARTED,
    ActivationReport,
    PluginOutcome,
    RuntimeState,
)
from tests.support.device import Device, make_device
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel


def device_of_plugin(directory: Path, wheelhouse: Path, source: str) -> Device:
    """Make a device with a module `p` of this source, whose `register` makes a plugin; lock it."""
    machine = make_device(directory / "device", wheelhouse)
    wheel = make_wheel(directory, "p", {"p.py": source}, entry_point="p:register")
    install_with_uv(machine.environment, wheel, wheelhouse=directory)
    machine.locked()
    return machine


def leave_only(machine: Device, lock: bytes) -> None:
    """Remove what a test left in the working directory, and put the lock back."""
    for path in machine.directory.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    machine.lock_path.write_bytes(lock)


def earlier_report() -> str:
    """Return the report of a start that succeeded."""
    report = ActivationReport(
        outcome=STARTED,
        state=RuntimeState(platform="rknn", patches_enabled={"camera": True}),
        plugins=(PluginOutcome(id="patches:p", status=ACTIVATED, distribution="p", version="1.0"),),
        log_messages=("Plugin patches:p activated",),
    )
    return canonical_json.write(report.to_dict())
