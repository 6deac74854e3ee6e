"""What a wheel says of itself in METADATA, entry_points.txt and WHEEL."""

from __future__ import annotations

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.dist_info import (
    MAX_ENTRY_POINTS_BYTES,
    MAX_WHEEL_BYTES,
    header_fields,
    parse_entry_points,
    parse_metadata,
    parse_wheel_tag,
)
from coral_lock.inventory import Distribution
from coral_lock.names import normalized_name
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.layout import is_version
from coral_lock.wheels.zip_file import MalformedMemberError, malformed

_KNOWN_FORMAT = "1"
"""The known major version of the wheel format; installers refuse any other."""


def read_distribution(archive: WheelArchive) -> Distribution:
    """Return the distribution that a wheel holds; its location is the wheel.

    Raises:
        BrokenDistributionError: METADATA is absent, lacks name or version, or doesn't match the
            file name (code `wheel-malformed`); or an entry point is malformed (`plugin-broken`).
    """
    wheel = archive.wheel
    place, text = _required(archive, "METADATA")
    try:
        metadata = parse_metadata(text, archive.path)
    except BrokenDistributionError as error:
        what = error.message.removeprefix("METADATA ")
        raise MalformedMemberError(archive.path, place, what) from None
    if normalized_name(metadata.name) != wheel.name or not is_version(
        metadata.version, wheel.version
    ):
        raise MalformedMemberError(
            archive.path,
            place,
            f"is that of `{metadata.name}` {metadata.version}, and the file name says "
            f"`{wheel.name}` {wheel.version}",
        )
    entry_points = archive.read_text("entry_points.txt", MAX_ENTRY_POINTS_BYTES)
    return Distribution(
        name=wheel.name,
        version=metadata.version,
        requires=metadata.requires,
        entry_points=parse_entry_points(
            entry_points or "", f"{archive.path}/{archive.dist_info}/entry_points.txt"
        ),
        location=archive.path,
        requires_python=metadata.requires_python,
    )


def read_wheel_tag(archive: WheelArchive) -> str:
    """Return the compressed, sorted tag set of the `Tag:` lines in WHEEL, `py2.py3-none-any`.

    Raises:
        BrokenDistributionError: there is no WHEEL, it has an unknown format version, or states
            no well-formed tag (code `wheel-malformed`).
    """
    place, text = _required(archive, "WHEEL", MAX_WHEEL_BYTES)
    version = next((value for field, value in header_fields(text) if field == "wheel-version"), "")
    if version.partition(".")[0] != _KNOWN_FORMAT:
        raise MalformedMemberError(archive.path, place, "states no known version of the format")
    try:
        return parse_wheel_tag(text, archive.path)
    except BrokenDistributionError as error:
        what = error.message.rpartition("WHEEL ")[2]
        raise MalformedMemberError(archive.path, place, what) from None


def _required(archive: WheelArchive, name: str, *limit: int) -> tuple[str, str]:
    """Return name and text of a member of the dist-info directory."""
    place = f"{archive.dist_info}/{name}"
    text = archive.read_text(name, *limit)
    if text is None:
        raise malformed(archive.path, f"the wheel has no `{place}`")
    return place, text
