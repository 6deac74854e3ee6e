"""What a wheel says of itself, read as it is from an installation."""

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
from coral_lock.record import Record
from coral_lock.wheels.layout import is_dist_info_of, is_version
from coral_lock.wheels.zip_file import MalformedMemberError, malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import EntryPoint
    from coral_lock.wheels.archive import WheelArchive
    from coral_lock.wheels.wheel_name import HouseWheel

_KNOWN_FORMAT = "1"
"""The major version of the wheel format that is known; installers refuse any other."""


class WheelFacts(Record):
    """What a wheel says of itself; nothing in it depends on the file's name or place.

    Args:
        dist_info: the name of its dist-info directory.
        name: the distribution's name as METADATA states it.
        version: its version, likewise.
        requires: the `Requires-Dist` values, sorted.
        entry_points: those of the plugin groups, sorted.
        requires_python: the specifier of METADATA, None where it states none.
    """

    dist_info: str
    name: str
    version: str
    requires: tuple[str, ...]
    entry_points: tuple[EntryPoint, ...]
    requires_python: str | None


def read_distribution(archive: WheelArchive) -> Distribution:
    """Return the distribution that a wheel holds; its location is the wheel.

    Raises:
        BrokenDistributionError: as `read_facts`.
    """
    return _distribution(read_facts(archive), archive.wheel.name, archive.path)


def known_distribution(facts: WheelFacts, wheel: HouseWheel) -> Distribution | None:
    """Return the distribution whose facts are known, or None where the file name denies them."""
    is_named = normalized_name(facts.name) == wheel.name
    if (
        is_named
        and is_version(facts.version, wheel.version)
        and is_dist_info_of(facts.dist_info, wheel)
    ):
        return _distribution(facts, wheel.name, wheel.path)
    return None


def _distribution(facts: WheelFacts, name: str, path: str) -> Distribution:
    return Distribution(
        name=name,
        version=facts.version,
        requires=facts.requires,
        entry_points=facts.entry_points,
        location=path,
        requires_python=facts.requires_python,
    )


def read_facts(archive: WheelArchive) -> WheelFacts:
    """Return what a wheel says of itself, once it is what the file name says.

    Raises:
        BrokenDistributionError: METADATA is absent, lacks name or version, or is that of
            another distribution than the file name (code `wheel-malformed`); or an entry
            point is malformed (`plugin-broken`).
    """
    place = f"{archive.dist_info}/METADATA"
    text = archive.read_text("METADATA")
    if text is None:
        raise malformed(archive.path, f"the wheel has no `{place}`")
    try:
        metadata = parse_metadata(text, archive.path)
    except BrokenDistributionError as error:
        what = error.message.removeprefix("METADATA ")
        raise MalformedMemberError(archive.path, place, what) from None
    if normalized_name(metadata.name) != archive.wheel.name or not is_version(
        metadata.version, archive.wheel.version
    ):
        raise MalformedMemberError(
            archive.path,
            place,
            f"is that of `{metadata.name}` {metadata.version}, and the file name says "
            f"`{archive.wheel.name}` {archive.wheel.version}",
        )
    entry_points = archive.read_text("entry_points.txt", MAX_ENTRY_POINTS_BYTES)
    return WheelFacts(
        dist_info=archive.dist_info,
        name=metadata.name,
        version=metadata.version,
        requires=metadata.requires,
        entry_points=()
        if entry_points is None
        else parse_entry_points(
            entry_points, f"{archive.path}/{archive.dist_info}/entry_points.txt"
        ),
        requires_python=metadata.requires_python,
    )


def read_wheel_tag(archive: WheelArchive) -> str:
    """Return the compressed, sorted tag set of the `Tag:` lines in WHEEL, `py2.py3-none-any`.

    Raises:
        BrokenDistributionError: there is no WHEEL, it is of an unknown version of the
            format, or states no well-formed tag (code `wheel-malformed`).
    """
    place = f"{archive.dist_info}/WHEEL"
    text = archive.read_text("WHEEL", MAX_WHEEL_BYTES)
    if text is None:
        raise malformed(archive.path, f"the wheel has no `{place}`")
    version = next((value for field, value in header_fields(text) if field == "wheel-version"), "")
    if version.partition(".")[0] != _KNOWN_FORMAT:
        raise MalformedMemberError(archive.path, place, "states no known version of the format")
    try:
        return parse_wheel_tag(text, archive.path)
    except BrokenDistributionError as error:
        what = error.message.rpartition("WHEEL ")[2]
        raise MalformedMemberError(archive.path, place, what) from None
