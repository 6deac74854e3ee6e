"""The pages of a package index that may lie beside wheels, and what they mark as yanked.

`index.html` is a page of the simple repository API (PEP 503), `index.json` and
`index.v1_json` are the same in JSON (PEP 691). A file is yanked as PEP 592 says.
"""

from __future__ import annotations

import html
import json
import os
import re
from urllib.parse import unquote

from coral_lock.errors import InputError
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PAGE_BYTES = 8 << 20
"""How large a page may be: some 20,000 files."""

_ANCHOR = re.compile(r"<!--|<a(?=[\s/>])", re.IGNORECASE)
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
    for name, read in (
        ("index.html", yanked_in_html),
        ("index.json", yanked_in_json),
        ("index.v1_json", yanked_in_json),
    ):
        path = os.path.join(directory, name)
        try:
            text = read_regular_file(path, MAX_PAGE_BYTES).decode("utf-8-sig")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError:
            raise _refusal("it isn't UTF-8", path) from None
        except OSError as error:
            raise _refusal(error.strerror or str(error), path) from None
        yanked.update(read(text, path))
    return frozenset(yanked)


def yanked_in_html(text: str, where: str) -> frozenset[str]:
    """Return the names of the files whose anchors have the attribute `data-yanked`.

    The name is the last part of the link's path. Every character is looked at once, which
    `html.parser` doesn't hold for pages made to keep it busy.

    Args:
        text: the page.
        where: how messages call it.

    Raises:
        InputError: a tag or a comment isn't closed, or a yanked file's link is missing.
    """
    yanked = set()
    position = 0
    while match := _ANCHOR.search(text, position):
        start = match.start()
        if match.group() == "<!--":
            position = text.find("-->", start) + len("-->")
            if position < len("-->"):
                raise _refusal("a comment isn't closed", _line(text, start, where))
            continue
        attributes, position = _attributes(text, match.end())
        if position < 0:
            raise _refusal("a tag `<a>` isn't closed", _line(text, start, where))
        if "data-yanked" in attributes:
            name = _file_name(attributes.get("href", ""))
            if not name:
                raise _refusal(
                    "an anchor with `data-yanked` has no link", _line(text, start, where)
                )
            yanked.add(name)
    return frozenset(yanked)


def _attributes(text: str, position: int) -> tuple[Mapping[str, str], int]:
    """Return the attributes of the tag whose name ends at `position`, and where it ends.

    Where it doesn't end properly, the end is -1. Of an attribute given twice the first
    counts, as HTML has it.
    """
    attributes: dict[str, str] = {}
    while match := _ATTRIBUTE.match(text, position):
        if match.group("end"):
            return attributes, match.end()
        position = match.end()
        value = match.group("double") or match.group("single") or match.group("bare") or ""
        attributes.setdefault(match.group("name").lower(), _unescaped(value))
    return attributes, -1


def _unescaped(value: str) -> str:
    """Return an attribute's value without entities; one too long to be a link is left as it is."""
    return html.unescape(value) if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE]


def _file_name(link: str) -> str:
    path = link.strip().partition("#")[0].partition("?")[0]
    return unquote(path.rpartition("/")[2])


def yanked_in_json(text: str, where: str) -> frozenset[str]:
    """Return the names of the files whose `yanked` is true or a reason.

    Args:
        text: the page, an object with `files`.
        where: how messages call it.

    Raises:
        InputError: it isn't JSON, or isn't a page of a project.
    """
    try:
        page = json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}:{error.colno}"
        raise _refusal("it isn't JSON", place) from None
    except RecursionError:
        raise _refusal("it is nested too deeply", where) from None
    except ValueError as error:
        raise _refusal(f"it can't be taken as JSON: {error}", where) from None
    return frozenset(_yanked_files(page, where))


def _yanked_files(page: object, where: str) -> Iterator[str]:
    files = page.get("files") if isinstance(page, dict) else None
    if not isinstance(files, list):
        raise _refusal("`files` isn't a list of files", where)
    for index, file in enumerate(files):
        name = file.get("filename") if isinstance(file, dict) else None
        if not isinstance(name, str):
            raise _refusal(f"`files[{index}].filename` isn't text", where)
        mark = file.get("yanked", False)
        if not isinstance(mark, bool | str):
            raise _refusal(f"`files[{index}].yanked` is neither true or false nor text", where)
        if mark is not False:
            yield name


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object holds a key twice")
    return found


def _line(text: str, position: int, where: str) -> str:
    return f"{where}:{text.count(chr(10), 0, position) + 1}"


def _refusal(reason: str, where: str) -> InputError:
    return InputError(
        f"the index page can't be used: {reason}",
        where=where,
        hint="write it again with the tool that made it, or remove it: "
        "without a page no wheel counts as yanked",
    )
