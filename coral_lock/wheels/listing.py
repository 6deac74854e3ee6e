"""The wheels in directories, and which of them the index pages beside them mark as yanked.

`index.html` is a page of the simple repository API (PEP 503); `index.json` and `index.v1_json`
are the same in JSON (PEP 691). A file is yanked as PEP 592 says.
"""

from __future__ import annotations

import filecmp
import html
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

from coral_lock.errors import BrokenDistributionError, InputError
from coral_lock.safe_files import read_regular_file
from coral_lock.wheels.wheel_name import HouseWheel, parse_wheel_name

MAX_WHEELS = 200_000


def list_wheels(
    directories: Sequence[str],
) -> tuple[list[HouseWheel], tuple[BrokenDistributionError, ...]]:
    """Return the wheels in directories, sorted by file name, and the files that aren't any.

    Raises:
        InputError: a directory can't be listed, there are no wheels or more than 200,000, or an
            index page is malformed.
    """
    places: dict[str, list[str]] = {}
    yanked: set[str] = set()
    for directory in dict.fromkeys(directories):
        names = _names_in(directory)
        for name in names:
            places.setdefault(name, []).append(os.path.join(directory, name))
        yanked.update(read_yanked(directory).intersection(names))
        if len(places) > MAX_WHEELS:
            raise InputError(
                f"there are more than {MAX_WHEELS:,} wheels",
                where=directory,
                hint="make a wheelhouse of what may be locked",
            )
    if not places:
        raise InputError(
            "there are no wheels",
            where=", ".join(directories),
            hint="fill the directory with `pip download` or `pip wheel`",
        )
    return _parsed(places, yanked)


def _names_in(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [
                entry.name
                for entry in entries
                if entry.name.endswith(".whl") and not entry.is_dir()
            ]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"the wheelhouse can't be listed: {reason}",
            where=directory,
            hint="name a directory that holds wheels",
        ) from None


def _parsed(
    places: Mapping[str, Sequence[str]], yanked: Iterable[str]
) -> tuple[list[HouseWheel], tuple[BrokenDistributionError, ...]]:
    wheels: list[HouseWheel] = []
    broken: list[BrokenDistributionError] = []
    for name, (path, *copies) in sorted(places.items()):
        try:
            wheel = parse_wheel_name(path)
        except BrokenDistributionError as error:
            broken.append(error)
            continue
        problem = _difference(path, copies)
        wheels.append(replace(wheel, is_yanked=name in yanked, problem=problem))
    return wheels, tuple(sorted(broken, key=lambda error: error.where or ""))


def _difference(path: str, copies: Iterable[str]) -> BrokenDistributionError | None:
    """Return why files with the same name can't replace each other, or None where they can."""
    for copy in copies:
        try:
            if os.path.samefile(path, copy) or filecmp.cmp(path, copy, shallow=False):
                continue
        except OSError as error:
            return BrokenDistributionError(
                f"the wheel can't be read: {error.strerror or error}",
                code="wheel-malformed",
                where=str(error.filename or path),
                hint="make it readable, or remove it from the wheelhouse",
            )
        return BrokenDistributionError(
            f"two different wheels have the same file name: `{path}` and `{copy}`",
            code="conflict",
            where=copy,
            hint="keep the one that you trust",
        )
    return None


MAX_PAGE_BYTES = 8 << 20
"""How large a page may be: some 20,000 files."""

_COMMENT_OR_ANCHOR = re.compile(r"<!(?=--)|<a(?=[\s/>])", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?:(?P<end>>)|(?P<name>[^\s/>=]+)
    (?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'>]+)))?)""",
    re.VERBOSE,
)
_LONGEST_VALUE = 4000
"""How many characters of an attribute are read; Python takes numbers of 4,300 digits."""


def read_yanked(directory: str) -> frozenset[str]:
    """Return the names of the files that the index pages of a directory mark as yanked.

    Raises:
        InputError: a page can't be read, is larger than 8 MiB or is malformed; with the place.
    """
    yanked: set[str] = set()
    for name in ("index.html", "index.json", "index.v1_json"):
        path = os.path.join(directory, name)
        try:
            text = read_regular_file(path, MAX_PAGE_BYTES).decode("utf-8-sig")
            read = yanked_in_html if name == "index.html" else yanked_in_json
            yanked.update(read(text))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            is_text = not isinstance(error, UnicodeDecodeError)
            reason = getattr(error, "strerror", None) or error if is_text else "it isn't UTF-8"
            raise InputError(
                f"the index page can't be used: {reason}",
                where=path,
                hint="generate it again, or remove it: without a page no wheel counts as yanked",
            ) from None
    return frozenset(yanked)


def yanked_in_html(text: str) -> frozenset[str]:
    """Return the names of the files whose anchors have the attribute `data-yanked`.

    The name is the last part of the link's path. Every character is looked at once; there are
    pages for which `html.parser` takes quadratic time.

    Raises:
        ValueError: a tag or a comment isn't closed, or a yanked file has no link.
    """
    yanked = set()
    position = 0
    while match := _COMMENT_OR_ANCHOR.search(text, position):
        if match.group() == "<!":
            position = text.find("-->", match.end()) + 3
            if position < 3:
                raise ValueError(f"line {_line(text, match)}: a comment isn't closed")
            continue
        attributes: dict[str, str] = {}
        position = match.end()
        while (attribute := _ATTRIBUTE.match(text, position)) and not attribute["end"]:
            value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
            attributes.setdefault(attribute["name"].lower(), value[:_LONGEST_VALUE])
            position = attribute.end()
        if attribute is None:
            raise ValueError(f"line {_line(text, match)}: a tag `<a>` isn't closed")
        position = attribute.end()
        if "data-yanked" in attributes:
            link = html.unescape(attributes.get("href", "")).strip()
            file_name = unquote(link.partition("#")[0].partition("?")[0].rpartition("/")[2])
            if not file_name:
                raise ValueError(f"line {_line(text, match)}: a yanked file has no link")
            yanked.add(file_name)
    return frozenset(yanked)


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def yanked_in_json(text: str) -> frozenset[str]:
    """Return the names of the files whose `yanked` is true or a reason.

    Raises:
        ValueError: the text isn't JSON, or isn't a project page.
    """
    try:
        page = json.loads(text)
        files = [(file["filename"], file.get("yanked", False)) for file in page["files"]]
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (TypeError, KeyError, AttributeError):
        raise ValueError("it isn't a project page with `files` and their `filename`") from None
    for name, mark in files:
        if not isinstance(name, str) or not isinstance(mark, bool | str):
            raise ValueError("`filename` must be text, and `yanked` true, false or a reason")
    return frozenset(name for name, mark in files if mark is not False)
