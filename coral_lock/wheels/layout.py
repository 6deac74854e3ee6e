"""Where a wheel's members come to lie when it is installed.

The rules are those of the binary distribution format specification; members that would lie
outside of where it puts them, or in one place, are refused.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from packaging.version import InvalidVersion, Version

from coral_lock.installed.digest import foreign_bytecode
from coral_lock.names import normalized_name
from coral_lock.printable import quoted
from coral_lock.record import Record
from coral_lock.wheels.refusal import malformed, malformed_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from coral_lock.wheels.structure import Entry
    from coral_lock.wheels.wheel_name import HouseWheel

DIST_INFO, DATA = ".dist-info", ".data"
SITE_SCHEMES = ("purelib", "platlib")
OTHER_SCHEMES = ("data", "headers", "scripts")

_PART = r"(?!\.\.?(?:/|\Z))(?![A-Za-z]:)[^/\\]+"
_SOUND_NAME = re.compile(rf"{_PART}(?:/{_PART})*/?")
_DOUBTFUL = ("//", "/./", "/../", "\\", ":")
_DRIVE = re.compile(r"[A-Za-z]:")
_SITE_DIRECTORIES = frozenset({"site-packages", "dist-packages"})
_LIBRARIES = frozenset({"lib", "lib64"})
_LONGEST_PLAIN = 60
_LONGEST_PATH, _LONGEST_PART, _MAX_PARTS = 4096, 255, 100
_BELOW = "\0"
"""Stands for `/` where paths are sorted: what lies in a directory comes right behind it."""


class Layout(Record):
    """Where the files of a wheel come to lie.

    Args:
        dist_info: the name of its dist-info directory.
        site_paths: the path under the site root of each file by its name in the wheel; None
            for scripts, headers and data.
    """

    dist_info: str
    site_paths: Mapping[str, str | None]


def lay_out(entries: Sequence[Entry], wheel: HouseWheel) -> Layout:
    """Return where the files of a wheel come to lie.

    Raises:
        BrokenDistributionError: a member has a name that leads elsewhere than it says, or
            isn't portable; two members come to lie in one place, or one in a `__pycache__`
            whose source isn't there; there isn't just one dist-info directory, or it isn't
            that of the file name.
    """
    names = [entry.name for entry in entries]
    if not _are_plainly_sound(names):
        for name in names:
            what = unsound_name(name)
            if what:
                raise malformed_member(wheel.path, name, what)
    for name in names:
        # Few are so long that it takes a closer look.
        if len(name) > _LONGEST_PLAIN and _is_endless(name):
            raise malformed_member(wheel.path, name, "has a longer path than files have")
    dist_info = _dist_info(names, wheel)
    data = dist_info.removesuffix(DIST_INFO) + DATA
    site_paths: dict[str, str | None] = {}
    places: list[str] = []
    for name in names:
        top, _, rest = name.partition("/")
        site_path: str | None = name
        if top.endswith(DATA) and rest:
            what = _wrong_data(top, rest, data)
            if what:
                raise malformed_member(wheel.path, name, what)
            scheme, _, path = rest.partition("/")
            site_path = path or None if scheme in SITE_SCHEMES else None
        if not name.endswith("/"):
            site_paths[name] = site_path
        places.append(site_path or name)
    _refuse_collisions(names, places, wheel)
    for place in sorted(foreign_bytecode({place for place in places if not place.endswith("/")})):
        raise malformed_member(
            wheel.path,
            names[places.index(place)],
            "is in `__pycache__` and isn't the bytecode of a source in the wheel",
        )
    return Layout(dist_info=dist_info, site_paths=site_paths)


def _is_endless(name: str) -> bool:
    """Whether no file system takes a path: for its length, that of a part, or its depth."""
    parts = name.encode("utf-8", "surrogateescape").split(b"/")
    return (
        len(name) > _LONGEST_PATH or len(parts) > _MAX_PARTS or max(map(len, parts)) > _LONGEST_PART
    )


def _are_plainly_sound(names: Sequence[str]) -> bool:
    """Whether all names are sound, told at once, as wheels have thousands of them."""
    text = "/\n/".join(names)
    paths = f"/{text}/\n".replace("//\n", "/\n")
    return (
        text.count("\n") == len(names) - 1
        and text.replace("\n", "").isprintable()
        and not any(part in paths for part in _DOUBTFUL)
    )


def unsound_name(name: str) -> str | None:
    """Return why a member can't have this name, or None; that of a directory ends with `/`."""
    if _SOUND_NAME.fullmatch(name) and name.isprintable():
        return None
    if "\\" in name or not name.isprintable():
        return "has a name with a character that isn't portable"
    if name.startswith("/") or _DRIVE.match(name):
        return "has an absolute path"
    return "has a path that leads elsewhere than it says"


def _dist_info(names: Iterable[str], wheel: HouseWheel) -> str:
    tops = dict.fromkeys([name.partition("/")[0] for name in names])
    found = [top for top in tops if top.endswith(DIST_INFO)]
    if len(found) != 1:
        names = ", ".join(map(quoted, sorted(found)[:5])) or "none"
        raise malformed(
            wheel.path, f"the wheel holds not one dist-info directory but {len(found)}: {names}"
        )
    if not is_dist_info_of(found[0], wheel):
        raise malformed_member(
            wheel.path,
            found[0],
            f"is another distribution's than that of the file name, {wheel.name} {wheel.version}",
        )
    return found[0]


def is_dist_info_of(directory: str, wheel: HouseWheel) -> bool:
    """Whether a dist-info directory has the name and the version of a wheel's file name."""
    name, _, version = directory.removesuffix(DIST_INFO).rpartition("-")
    return normalized_name(name) == wheel.name and is_version(version, wheel.version)


def is_version(text: str, version: Version) -> bool:
    """Whether a text states a version, in whatever spelling (PEP 440)."""
    try:
        return Version(text) == version
    except InvalidVersion:
        return False


def _wrong_data(top: str, rest: str, data: str) -> str | None:
    """Return what is wrong with a member of a `.data` directory, or None."""
    if top != data:
        return f"lies in another `.data` directory than {quoted(data)}"
    scheme, separator, path = rest.partition("/")
    if not separator or scheme not in (*SITE_SCHEMES, *OTHER_SCHEMES):
        return "lies in a `.data` directory where nobody knows where it belongs"
    parts = path.casefold().split("/")
    if scheme in SITE_SCHEMES and parts[0].endswith((DIST_INFO, ".egg-info")):
        return "puts metadata where the wheel's own don't lie"
    if scheme == "data" and (
        not _SITE_DIRECTORIES.isdisjoint(parts)
        or (parts[0] in _LIBRARIES and parts[1:] and parts[1].startswith("python"))
    ):
        return "leads from the data into the modules"
    return None


def _refuse_collisions(names: Sequence[str], places: Sequence[str], wheel: HouseWheel) -> None:
    """Refuse members that come to lie in one place, on any file system.

    Args:
        names: the names of the members in order of position.
        places: where each of them comes to lie.
        wheel: the wheel.
    """
    keyed = sorted(zip(_folded(places), range(len(names))))
    for (key, first), (next_key, second) in pairwise(keyed):
        if not next_key.startswith(key):
            continue
        name, other = names[second], names[first]
        what = None
        if next_key[len(key) :].startswith(_BELOW):
            what = f"needs a directory where {quoted(other)} lies"
        elif key != next_key or (key.endswith(_BELOW) and name != other):
            continue
        elif name == other:
            what = "is there twice"
        elif places[first] == places[second]:
            what = f"comes to lie where {quoted(other)} does"
        else:
            what = f"differs from {quoted(other)} in nothing but case"
        raise malformed_member(wheel.path, name, what)


def _folded(places: Sequence[str]) -> list[str]:
    """Return the same for places that are one on a file system which folds names.

    What lies in a directory sorts right behind a file of its name.
    """
    text = "\n".join(places)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold().replace("/", _BELOW).split("\n")
