"""Which device this is: derived from the machine id, given, or kept."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.errors import UsageError
from coral_lock.reporting import identity
from coral_lock.targets.machine import this_machine
from coral_lock.targets.model import tag_of

MACHINE = "2f1d7c40a9b84f5c8f0e6a1b3c5d7e9f"


@given(st.binary(min_size=16, max_size=16))
def test_the_id_is_the_keyed_hash_of_our_own_id(machine: bytes) -> None:
    digest = hmac.new(machine, identity.APPLICATION_ID, hashlib.sha256).digest()
    assert identity.derived_id(machine) == str(uuid.UUID(bytes=digest[:16], version=4))
    assert machine.hex() not in identity.derived_id(machine).replace("-", "")


def test_systemd_derives_the_same_id() -> None:
    tool = shutil.which("systemd-id128")
    if tool is None:
        pytest.skip("systemd isn't installed")
    application = identity.APPLICATION_ID.hex()
    words = (tool, "machine-id", f"--app-specific={application}")
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"this machine has no id: {found.stderr}")
    assert identity.own_device_id("/nowhere").replace("-", "") == found.stdout.strip()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"uninitialized\n", b"0" * 32 + b"\n", b"12345\n", b"\xff" * 40, b"x" * 10_000],
)
def test_a_machine_without_an_id_keeps_a_random_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    machine = tmp_path / "machine-id"
    if content is not None:
        machine.write_bytes(content)
    monkeypatch.setattr(identity, "_MACHINE_ID", str(machine))
    first = identity.own_device_id(str(tmp_path))
    assert identity.own_device_id(str(tmp_path)) == first == str(uuid.UUID(first, version=4))
    (tmp_path / "device-id").write_text("not an id")
    second = identity.own_device_id(str(tmp_path))
    assert second not in (first, "not an id")
    assert identity.own_device_id(str(tmp_path)) == second
    machine.write_text(f"{MACHINE}\n")
    assert identity.own_device_id(str(tmp_path)) == identity.derived_id(bytes.fromhex(MACHINE))


def test_the_option_counts_before_the_variable() -> None:
    environment = {identity.VARIABLE: "gate-8"}
    assert identity.given_device_id("gate-7", environment) == "gate-7"
    assert identity.given_device_id(None, environment) == "gate-8"
    assert identity.given_device_id(None, {identity.VARIABLE: ""}) is None


@pytest.mark.parametrize("text", ["", "-x", ".", "a b", "a/b", "ä", "x" * 129, "a\x1b[31m", "a\n"])
def test_what_cannot_name_a_device(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        identity.given_device_id(text, {})
    assert caught.value.message.endswith("` can't name a device")
    assert caught.value.where == "--device-id"
    if not text:
        # An empty variable is one that isn't set.
        return
    with pytest.raises(UsageError) as caught:
        identity.given_device_id(None, {identity.VARIABLE: text})
    assert caught.value.where == identity.VARIABLE


def test_the_platform_is_that_of_targets() -> None:
    platform = this_machine().platform
    assert identity.this_platform() == (tag_of(platform) or str(platform))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_769_904_000_123_456_789, "2026-02-01T00:00:00.123456Z"),
        (-5, "1970-01-01T00:00:00.999999Z"),
        (1 << 70, "9999-12-31T23:59:59.411303Z"),
    ],
)
def test_times(monkeypatch: pytest.MonkeyPatch, nanoseconds: int, text: str) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds)
    assert identity.utc_now() == text


def test_the_clock_since_the_boot() -> None:
    now = identity.uptime()
    assert now is not None
    assert now > 0
    assert identity.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
