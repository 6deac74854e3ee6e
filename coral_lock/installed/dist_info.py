"""Reading one installed distribution's dist-info directory, without `importlib.metadata`.

`importlib.metadata` costs more to import than a whole locked start, and picks among
several copies of a distribution by directory order.
"""

from __future__ import annotations

import os

from coral_lock.errors import BrokenDistributionError
from coral_lock.inventory import EntryPoint
from coral_lock.names import ENTRY_POINT_GROUPS, ENTRY_POINT_PREFIX, is_object_reference
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file
from coral_lock.targets.model import MAX_TAGS, tag_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_ENTRY_POINTS = 1000
"""How many plugins' entry points a distribution may declare."""

_LONGEST_LINE = 500
MAX_METADATA_BYTES = 8 << 20
"""How large METADATA may be, with the description that is its body."""

MAX_ENTRY_POINTS_BYTES = 1 << 20
MAX_WHEEL_BYTES = 1 << 16
MAX_REQUIREMENTS = 10_000
_MAX_HEADER = 1 << 20
_MAX_DIRECT_URL_BYTES = 1 << 16


class Location(Record):
    """Where an installed distribution's metadata is: a site root and a directory in it."""

    root: str
    directory: str

    @property
    def path(self) -> str:
        return os.path.join(self.root, self.directory)


class Metadata(Record):
    """What METADATA says (core metadata specification)."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: str | None


def read_text(location: Location, name: str, limit: int = MAX_METADATA_BYTES) -> str | None:
    """Return a text file of the dist-info directory, or None where it is absent.

    Raises:
        BrokenDistributionError: it can't be read or isn't UTF-8.
    """
    path = os.path.join(location.path, name)
    try:
        return read_regular_file(path, limit).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
        raise _broken(f"`{name}` can't be read: {reason}", path) from None


def _broken(message: str, where: str) -> BrokenDistributionError:
    hint = "reinstall the distribution"
    return BrokenDistributionError(message, code="plugin-broken", where=where, hint=hint)


def read_metadata(location: Location) -> Metadata:
    """Return name, version and requirements of a distribution, from its METADATA.

    Raises:
        BrokenDistributionError: METADATA is absent, or lacks name or version.
    """
    is_egg_info = location.directory.endswith(".egg-info")
    text = read_text(location, "PKG-INFO" if is_egg_info else "METADATA")
    if text is None and is_egg_info:
        text = read_text(Location(root=location.root, directory="."), location.directory)
    try:
        return parse_metadata(text or "")
    except ValueError as error:
        raise _broken(f"METADATA {error}", location.path) from None


def parse_metadata(text: str) -> Metadata:
    """Return what the text of a METADATA file says.

    Raises:
        ValueError: it lacks name or version, or states too much; the message is a predicate.
    """
    header = metadata_header(text)
    if len(header) > _MAX_HEADER:
        raise ValueError(f"has more than {_MAX_HEADER >> 20} MiB of fields")
    fields: dict[str, list[str]] = {}
    for field, value in header_fields(header):
        fields.setdefault(field, []).append(value)
    name, version = fields.get("name", [""])[0], fields.get("version", [""])[0]
    if not name or not version or not (name + version).isprintable():
        raise ValueError("states no name and version")
    requires = fields.get("requires-dist", [])
    if len(requires) > MAX_REQUIREMENTS:
        raise ValueError(f"states more than {MAX_REQUIREMENTS:,} requirements")
    return Metadata(
        name=name,
        version=version,
        requires=tuple(sorted(set(requires))),
        requires_python=fields.get("requires-python", [None])[0] or None,
    )


def metadata_header(text: str) -> str:
    """Return a text up to the first empty line, with plain line ends."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "" if text.startswith("\n") else text.partition("\n\n")[0]


def header_fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield the header fields up to the first empty line, continuation lines joined."""
    field, parts = "", [""]
    for line in metadata_header(text).split("\n"):
        if not line:
            continue
        if line[0] in " \t":
            parts.append(line.strip())
            continue
        if field:
            yield field, " ".join(parts)
        name, separator, value = line.partition(":")
        field, parts = (name.strip().lower(), [value.strip()]) if separator else ("", [])
    if field:
        yield field, " ".join(parts)


def read_wheel_tag(location: Location) -> str:
    """Return the compressed, sorted tag set of the `Tag:` lines in WHEEL, `py2.py3-none-any`.

    Raises:
        BrokenDistributionError: there is no WHEEL, or no well-formed tag in it.
    """
    try:
        return parse_wheel_tag(read_text(location, "WHEEL", MAX_WHEEL_BYTES) or "")
    except ValueError as error:
        raise BrokenDistributionError(
            f"WHEEL {error}",
            code="unusable-record",
            where=location.path,
            hint="reinstall it from a wheel with pip or uv",
        ) from None


def parse_wheel_tag(text: str) -> str:
    """Return the tag set that the text of a WHEEL file states.

    A line may state several tags itself, where its parts are compressed (PEP 425).

    Raises:
        ValueError: there is no well-formed tag in it, or too many; the message is a predicate.
    """
    tags = [value.split("-") for field, value in header_fields(text) if field == "tag"]
    columns = [{one for part in parts for one in part.split(".")} for parts in zip(*tags)]
    tag = "-".join(".".join(sorted(column)) for column in columns)
    if not columns or any(len(tag) != 3 for tag in tags) or any("" in each for each in columns):
        raise ValueError("states no tag")
    if tag_count(tag) > MAX_TAGS:
        raise ValueError(f"states more than {MAX_TAGS:,} tags")
    return tag


def read_entry_points(location: Location) -> tuple[EntryPoint, ...]:
    """Return the entry points of the plugin groups, sorted by group and name.

    The format is that of the entry points specification; extras behind the object
    reference are ignored, as they are deprecated.

    Raises:
        BrokenDistributionError: `entry_points.txt` can't be read, or one of the groups
            holds a line that isn't `name = module:attribute`, or a name twice.
    """
    text = read_entry_points_text(location)
    return parse_entry_points(text, os.path.join(location.path, "entry_points.txt"))


def read_entry_points_text(location: Location) -> str:
    """Return the text of `entry_points.txt`; an empty one where it names no group of the host.

    Raises:
        BrokenDistributionError: it can't be read.
    """
    text = read_text(location, "entry_points.txt", MAX_ENTRY_POINTS_BYTES) or ""
    return text if ENTRY_POINT_PREFIX in text else ""


def unknown_groups(text: str) -> tuple[str, ...]:
    """Return the groups in the text of an `entry_points.txt` that only look like the host's."""
    groups = {group for _, group, _ in _entry_point_lines(text)}
    unknown = groups.difference(ENTRY_POINT_GROUPS.values())
    return tuple(sorted(group for group in unknown if group.startswith(ENTRY_POINT_PREFIX)))


def _entry_point_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, group and text of each line of an `entry_points.txt`, empty for a heading.

    Like `importlib.metadata`, it splits lines at every Unicode line end and strips all brackets.
    """
    group = ""
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("[") and line.endswith("]"):
            group, line = line.strip("[]").strip(), ""
            yield number, group, line
        elif line and not line.startswith("#"):
            yield number, group, line


def parse_entry_points(text: str, where: str) -> tuple[EntryPoint, ...]:
    """Return the plugin entry points that the text of an `entry_points.txt` declares.

    Raises:
        BrokenDistributionError: see `read_entry_points`.
    """
    short_names: Mapping[str, str] = {full: short for short, full in ENTRY_POINT_GROUPS.items()}
    found: dict[tuple[str, str], EntryPoint] = {}
    for number, full, line in _entry_point_lines(text):
        group = short_names.get(full)
        if group is None or not line:
            continue
        name, separator, value = (part.strip() for part in line.partition("="))
        value = value.partition("[")[0].strip()
        problem = ""
        if (group, name) in found:
            problem = "twice"
        elif len(found) == MAX_ENTRY_POINTS:
            problem = f"beyond the {MAX_ENTRY_POINTS} that there may be"
        elif not (separator and name and is_object_reference(value)) or len(line) > _LONGEST_LINE:
            problem = "in a form that isn't `name = module:attribute`"
        if problem:
            raise BrokenDistributionError(
                f"an entry point is declared {problem}: `{line[:_LONGEST_LINE]}`",
                code="plugin-broken",
                where=f"{where}:{number}",
                hint="correct it in the distribution's project and reinstall",
            )
        found[group, name] = EntryPoint(group=group, name=name, value=value)
    return tuple(found[key] for key in sorted(found))


def read_commands(location: Location) -> frozenset[str]:
    """Return the commands for which installers generate a script.

    Raises:
        BrokenDistributionError: `entry_points.txt` can't be read.
    """
    return command_names(read_text(location, "entry_points.txt") or "")


def command_names(text: str) -> frozenset[str]:
    """Return the console and GUI scripts that the text of an `entry_points.txt` declares."""
    return frozenset(
        line.partition("=")[0].strip()
        for _, group, line in _entry_point_lines(text if "_scripts" in text else "")
        if group in ("console_scripts", "gui_scripts") and "=" in line
    )


def is_editable(location: Location) -> bool:
    """Whether the distribution is an editable install (`direct_url.json`, PEP 610)."""
    return _editable_url(location) is not None


def project_directory(location: Location) -> str | None:
    """Return the directory of the project that an editable install was made from (PEP 610).

    It is None where the distribution is no editable install, or doesn't say.
    """
    try:
        url = _editable_url(location)
    except BrokenDistributionError:
        return None
    if url is None or not url.startswith("file://"):
        return None
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(url).path)
    return None if "\0" in path else os.path.realpath(path)


def _editable_url(location: Location) -> str | None:
    """Return the URL of an editable install, empty where none is stated; None for others."""
    text = read_text(location, "direct_url.json", _MAX_DIRECT_URL_BYTES)
    if text is None or "editable" not in text:
        return None
    import json

    try:
        document = json.loads(text)
        if document["dir_info"]["editable"] is not True:
            return None
        return str(document.get("url", ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
