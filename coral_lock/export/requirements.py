"""Hash-pinned requirements, in the format that pip defines and uv reads too."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.export.model import Installation, Pin

_HEADING = "# Made from a coral.lock by `coral-runtime export`: export again, don't edit."


def requirements_text(installation: Installation) -> str:
    """Return a requirements file: every distribution with its version and its wheels' SHA-256.

    The hashes make pip and uv refuse every other file, and every distribution that isn't
    listed.
    """
    return "".join(f"{line}\n" for line in _lines(installation))


def _lines(installation: Installation) -> Iterator[str]:
    yield _HEADING
    for host in installation.told:
        yield f"# {host} isn't part of it: the lock was only told of it."
    for pin in installation.pins:
        yield from _pin_lines(pin)


def _pin_lines(pin: Pin) -> Iterator[str]:
    requirement = f"{pin.name}=={pin.version}" + (f" ; {pin.marker}" if pin.marker else "")
    hashes = sorted({wheel.sha256 for wheel in pin.wheels})
    yield " \\\n".join([requirement, *(f"    --hash=sha256:{digest}" for digest in hashes)])
