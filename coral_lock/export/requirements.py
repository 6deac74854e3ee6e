"""Hash-pinned requirements, in the format that pip defines and uv reads too."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.export.model import Installation, Pin

_HEADING = "# Made from a coral.lock by `coral-runtime export`: export again, don't edit."
_TOLD = "# {} isn't part of it: the lock was only told of it."
_LINE = re.compile(
    r"[^\s#-]\S*==\S+( ; .+)?( --hash=sha256:[0-9a-f]{64})+|"
    + re.escape(_TOLD).replace(r"\{\}", ".+")
)


def requirements_text(installation: Installation) -> str:
    """Return a requirements file: every distribution with its version and its wheels' SHA-256.

    The hashes make pip and uv refuse every other file, and every distribution that isn't
    listed.
    """
    return "".join(f"{line}\n" for line in _lines(installation))


def is_requirements_text(text: str) -> bool:
    """Whether a text is one that `requirements_text` returned, and nobody has added to it."""
    heading, *lines = text.replace(" \\\n    ", " ").splitlines() or [""]
    return heading == _HEADING and all(map(_LINE.fullmatch, lines))


def _lines(installation: Installation) -> Iterator[str]:
    yield _HEADING
    for host in installation.told:
        yield _TOLD.format(host)
    for pin in installation.pins:
        yield from _pin_lines(pin)


def _pin_lines(pin: Pin) -> Iterator[str]:
    requirement = f"{pin.name}=={pin.version}" + (f" ; {pin.marker}" if pin.marker else "")
    hashes = sorted({wheel.sha256 for wheel in pin.wheels})
    yield " \\\n".join([requirement, *(f"    --hash=sha256:{digest}" for digest in hashes)])
