"""Which device this is, which boot, and what its clocks say."""

from __future__ import annotations

import os
import sys
import time

from coral_lock.errors import UsageError, quoted
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "CORAL_LOCK_DEVICE_ID"
"""Names the device where `--device-id` doesn't."""

LONGEST_ID = 128
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_CHARACTERS = _LETTERS | frozenset("._:-")

APPLICATION_ID = bytes.fromhex("6eb6bef44a5c2efda8fc379fb7531adf")
"""The id of this application, chosen at random once: with another one, every device is another."""

_MACHINE_ID = "/etc/machine-id"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_KEPT_ID = "device-id"
_FEW_BYTES = 4096
_LONGEST_BOOT_ID = 64
_BLOCK = 64
_INNER = int.from_bytes(b"\x36" * _BLOCK, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK, "big")
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, after which a time has no form of 27 characters."""


def is_device_id(text: str) -> bool:
    """Whether `text` can name a device: letters, digits and `._:-`, a letter or digit first."""
    return 0 < len(text) <= LONGEST_ID and text[0] in _LETTERS and _CHARACTERS.issuperset(text)


def given_device_id(option: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the id that `--device-id` or the environment gives this device, None without one.

    Raises:
        UsageError: it can't name a device.
    """
    given = (environment.get(VARIABLE) or None) if option is None else option
    if given is None or is_device_id(given):
        return given
    raise UsageError(
        f"{quoted(given)} can't name a device",
        expected=f"1 to {LONGEST_ID} letters, digits and `.`, `_`, `:`, `-`, "
        "of which the first is a letter or a digit",
        where=VARIABLE if option is None else "--device-id",
        hint="name the device as your inventory does, e.g. `gate-7.example.org`",
    )


def own_device_id(directory: str) -> str:
    """Return the id of this device: derived from the machine id, which it doesn't tell.

    A machine without such an id, as most containers are, gets one at random.

    Args:
        directory: where the one at random is kept.

    Raises:
        OSError: it can't be kept.
    """
    machine = _machine_id()
    return _kept_id(directory) if machine is None else derived_id(machine)


def derived_id(machine_id: bytes) -> str:
    """Return the UUID that stands for a machine in this application.

    It is made as `sd_id128_get_machine_app_specific(3)` says: HMAC-SHA256 (RFC 2104) with the
    machine id as the key, of the application's id; its first 16 bytes, marked as a random UUID
    (RFC 9562, version 4). machine-id(5) asks for this where an id leaves the machine.

    Args:
        machine_id: 16 bytes.
    """
    from hashlib import sha256

    # `hmac` would be a module more at every start.
    key = int.from_bytes(machine_id.ljust(_BLOCK, b"\0"), "big")
    inner = sha256((key ^ _INNER).to_bytes(_BLOCK, "big") + APPLICATION_ID).digest()
    return _uuid(sha256((key ^ _OUTER).to_bytes(_BLOCK, "big") + inner).digest())


def _uuid(content: bytes) -> str:
    """Return the random UUID with the bits of the first 16 bytes."""
    marked = bytearray(content[:16])
    marked[6] = marked[6] & 0x0F | 0x40
    marked[8] = marked[8] & 0x3F | 0x80
    digits = marked.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _machine_id() -> bytes | None:
    """Return what `/etc/machine-id` holds, None where that isn't an id (machine-id(5))."""
    try:
        content = read_regular_file(_MACHINE_ID, _FEW_BYTES).strip()
        identifier = bytes.fromhex(content.decode("ascii"))
    except (OSError, ValueError):
        return None
    return identifier if len(identifier) == 16 and any(identifier) else None


def _kept_id(directory: str) -> str:
    path = os.path.join(directory, _KEPT_ID)
    content = _read_kept(path)
    if content is None:
        # The file appears with its content, and another process may have made it meanwhile.
        temporary = f"{path}.{os.urandom(6).hex()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, f"{_uuid(os.urandom(16))}\n".encode("ascii"))
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        content = _read_kept(path)
    if content is None:
        raise OSError(f"`{path}` holds no id")
    return content


def _read_kept(path: str) -> str | None:
    try:
        text = read_regular_file(path, _FEW_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if is_device_id(text) else None


def boot_id() -> str | None:
    """Return the id that the kernel gave this boot (random(4)); None where it gives none."""
    try:
        descriptor = os.open(_BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # The kernel makes the whole text again for each read.
            return os.read(descriptor, _LONGEST_BOOT_ID).decode("ascii").strip() or None
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None


def uptime() -> float | None:
    """Return the seconds since the boot, sleep included; None where no clock says so."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return None if clock is None else round(time.clock_gettime(clock), 6)


def utc_now() -> str:
    """Return the time in UTC: `2026-01-31T23:59:59.123456Z`."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    moment = time.gmtime(min(max(seconds, 0), _LAST_SECOND))
    # `strftime` would read the time zones.
    return f"%d-%02d-%02dT%02d:%02d:%02d.{nanoseconds // 1000:06d}Z" % moment[:6]


def this_platform() -> str:
    """Return the platform tag of this machine, a description of it where it has none."""
    libc, _, version = _libc().partition(" ")
    if sys.platform == "linux" and sys.maxsize > 1 << 32 and libc == "glibc":
        # `targets` knows this too, and takes a quarter of a millisecond to import.
        major, _, minor = version.partition(".")
        return f"manylinux_{major}_{minor.partition('.')[0]}_{os.uname().machine}"
    from coral_lock.targets.machine import this_machine
    from coral_lock.targets.model import tag_of

    platform = this_machine().platform
    return tag_of(platform) or str(platform)


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""
