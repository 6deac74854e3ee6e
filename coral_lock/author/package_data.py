"""Getting manifests into the wheel, where the build back end would leave them out."""

from __future__ import annotations

import copy
import os
import re

from coral_lock.author.project import (
    FLIT,
    HATCHLING,
    POETRY,
    SETUPTOOLS,
    UV,
    backend_family,
    display_path,
    parse_toml,
    spans,
)
from coral_lock.errors import InputError
from coral_lock.manifest.model import MANIFEST_NAME
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from coral_lock.author.compile import ManifestPlace
    from coral_lock.author.project import Path, Project, Pyproject


_MAX_PATTERN = 1000


def matches_glob(pattern: str, path: str) -> bool:
    """Whether a glob, where `**` stands for any number of directories, names a path.

    Args:
        pattern: relative, with slashes. One without wildcards names a directory's files too.
        path: relative, with slashes.
    """
    pattern = pattern.rstrip("/")
    return _matches(_tokens(pattern), path) or path.startswith(f"{pattern}/")


def is_ignored(patterns: Iterable[str], path: str) -> bool:
    """Whether the lines of a `.gitignore` match a path, as the git documentation says.

    Args:
        patterns: the lines in their order; the last one that matches counts.
        path: relative to the directory of the patterns, with slashes.
    """
    ignored = False
    for line in patterns:
        pattern = line.rstrip().removeprefix("\\")
        if not pattern or line.startswith("#"):
            continue
        is_negated = line.startswith("!")
        pattern = pattern[is_negated:]
        is_anchored = "/" in pattern.rstrip("/")
        is_directory = pattern.endswith("/")
        pattern = pattern.strip("/")
        tokens = _tokens(pattern if is_anchored else f"**/{pattern}")
        parts = path.split("/")
        candidates = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        if any(_matches(tokens, found) for found in candidates[: -1 if is_directory else None]):
            ignored = not is_negated
    return ignored


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^]/]+\]|.", re.DOTALL)
_DIRECTORIES, _ANYTHING, _NAME = "**/", "**", "*"
_REPEATED = (_DIRECTORIES, _ANYTHING, _NAME)


def _matches(tokens: Sequence[str], path: str) -> bool:
    """Whether a pattern matches a whole path.

    All ways to match are followed at once, one character at a time: a regular expression
    would try them one after the other, and a hostile pattern has more than anyone can wait for.
    """
    # `**/` ends behind a slash, so it is left there and at its very start only.
    states = _behind({(0, True)}, tokens)
    for character in path:
        following = set()
        for index, _ in states:
            if index == len(tokens):
                continue
            token = tokens[index]
            if token in _REPEATED:
                if token != _NAME or character != "/":
                    following.add((index, token != _DIRECTORIES or character == "/"))
            elif _is_one(token, character):
                following.add((index + 1, True))
        states = _behind(following, tokens)
    return any(index == len(tokens) for index, _ in states)


def _behind(states: set[tuple[int, bool]], tokens: Sequence[str]) -> set[tuple[int, bool]]:
    """Return the states with those that are reached by leaving repetitions."""
    reached = set(states)
    for index, may_leave in states:
        while may_leave and index < len(tokens) and tokens[index] in _REPEATED:
            index += 1
            if (index, True) in reached:
                break
            reached.add((index, True))
    return reached


def _is_one(token: str, character: str) -> bool:
    """Whether a token that stands for one character stands for this one."""
    if token == "?":
        return character != "/"
    if len(token) == 1:
        return character == token
    inner = token[1:-1]
    is_negated = inner.startswith("!") and len(inner) > 1
    inner = inner[is_negated:]
    ranges = re.findall(r"(.)-(.)|(.)", inner, re.DOTALL)
    found = any(
        first <= character <= last if first else character == single
        for first, last, single in ranges
    )
    return character != "/" and found is not is_negated


def _tokens(pattern: str) -> Sequence[str]:
    """Return the parts of a pattern; none that matches anything for one that is too long."""
    return _TOKEN.findall(pattern) if 0 < len(pattern) <= _MAX_PATTERN else ("\0",)


def with_member(text: str, table: Path, key: str, member: Any, source: str) -> str:
    """Return the text of a document in which an array has one more member.

    Args:
        text: the document.
        table: the keys that lead to the table with the array; made where there is none.
        key: the array's key; made where there is none.
        member: the plain value to append.
        source: how messages call the document.

    Raises:
        InputError: something else than a table or an array stands there, or the document is
            written in a way that can't be added to.
    """
    return _with(text, table, key, member, source, is_array=True)


def with_entry(text: str, table: Path, key: str, value: str, source: str) -> str:
    """Return the text of a document in which a table has one more key with a string.

    Raises:
        InputError: as `with_member`.
    """
    return _with(text, table, key, value, source, is_array=False)


def _with(text: str, table: Path, key: str, value: Any, source: str, *, is_array: bool) -> str:
    document: Any = parse_toml(text, source)
    try:
        expected = _expected(document.unwrap(), table, key, value, is_array)
        new = _changed(text, document, table, key, value, is_array)
        if parse_toml(new, source).unwrap() == expected:
            return new
    except (InputError, LookupError, TypeError, ValueError, AttributeError):
        # The values are of another kind, or tomlkit can't add to what it reads.
        pass
    kind = f"an array `{key}` with {_toml(value)} in it" if is_array else f"{key} = {_toml(value)}"
    raise InputError(
        f"`{'.'.join(table)}` can't be added to",
        expected=kind,
        where=source,
        hint="write it there by hand",
    )


def _expected(values: Any, table: Path, key: str, value: Any, is_array: bool) -> Any:
    """Return a document's plain values with the addition.

    Raises:
        AttributeError: something else stands where a table or an array is to be.
    """
    values = copy.deepcopy(values)
    container = values
    for part in table:
        container = container.setdefault(part, {})
    if is_array:
        container.setdefault(key, []).append(value)
    else:
        container.update({key: value})
    return values


def _changed(text: str, document: Any, table: Path, key: str, value: Any, is_array: bool) -> str:
    container = _container(document, table)
    line = f"{_toml_key(key)} = {_toml([value] if is_array else value)}"
    if container is None:
        return _with_section(text, table, line)
    if is_array and key in container:
        container[key].append(_parsed(value))
        return _in_style_of(text, document.as_string())
    last = _last_key(container)
    if last is None:
        container[key] = _parsed([value] if is_array else value)
        return _in_style_of(text, document.as_string())
    path = (*table, last)
    end = text.find("\n", spans(text, [path])[path][1]) + 1 or len(text)
    before = text[:end] if text.endswith("\n", 0, end) else f"{text}\n"
    return _in_style_of(text, f"{before}{line}\n{text[end:]}")


def _last_key(container: Any) -> str | None:
    """Return the last key that has a line of its own in a table with a header, or None."""
    from tomlkit.items import AoT, Table

    if not isinstance(container, Table):
        return None
    own = [key for key, item in container.items() if not isinstance(item, (Table, AoT))]
    return own[-1] if own else None


def _container(document: Any, table: Path) -> Any:
    """Return a table that is written out, or None where there is none or only its parts are."""
    container = document
    for part in table:
        if part not in container:
            return None
        container = container[part]
    is_implied = getattr(container, "is_super_table", None)
    return None if is_implied is not None and is_implied() else container


def _parsed(value: Any) -> Any:
    import tomlkit

    return tomlkit.parse(f"value = {_toml(value)}")["value"]


def _with_section(text: str, table: Path, line: str) -> str:
    header = ".".join(map(_toml_key, table))
    if text and not text.endswith("\n"):
        text += "\n"
    return _in_style_of(text, f"{text}\n[{header}]\n{line}\n")


def _in_style_of(text: str, new: str) -> str:
    """Return a new text with the line ends of the old one, and one at its end."""
    if not new.endswith("\n"):
        # tomlkit ends no line behind the last key that it is given.
        new += "\n"
    if re.search("(?<!\r)\n", text) or "\r\n" not in text:
        return new
    return re.sub("(?<!\r)\n", "\r\n", new)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _toml(key)


def _toml(value: Any) -> str:
    """Return a plain value as TOML on one line."""
    import tomlkit

    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        members = ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{{members}}}"
    return str(tomlkit.string(value).as_string())


_SETUPTOOLS = ("tool", "setuptools")
_HATCH_BUILD = ("tool", "hatch", "build")
_HATCH_WHEEL = (*_HATCH_BUILD, "targets", "wheel")
_POETRY = ("tool", "poetry")
_UV = ("tool", "uv", "build-backend")
_MAX_IGNORE_BYTES = 256 * 1024


class PackageData(Record):
    """What becomes of `pyproject.toml`: its new text, and what the author must see to."""

    text: str
    warnings: tuple[str, ...] = ()


def with_package_data(
    pyproject: Pyproject, project: Project, places: Sequence[ManifestPlace]
) -> PackageData:
    """Return a `pyproject.toml` by which the wheel has the manifests.

    Args:
        pyproject: the file as it is.
        project: what it describes.
        places: where the manifests lie.

    Raises:
        InputError: a setting is needed and can't be added to the file.
    """
    family = backend_family(project.build_backend)
    change = {SETUPTOOLS: _setuptools, HATCHLING: _hatchling, POETRY: _poetry}.get(family)
    text = pyproject.text
    warnings: list[str] = []
    for place in places:
        file = os.path.relpath(place.path, project.root).replace(os.sep, "/")
        if change is not None:
            outcome = change(pyproject, text, place, file)
            text = outcome.text
            warnings += outcome.warnings
        elif family == UV and _matches_any(pyproject.texts(*_UV, "wheel-exclude"), file):
            warnings.append(
                f"`tool.uv.build-backend.wheel-exclude` leaves `{file}` out of the wheel"
            )
        elif family not in (FLIT, UV):
            warnings.append(
                f"whether `{project.build_backend}` puts `{file}` into the wheel isn't known: "
                "look into one that you build"
            )
    return PackageData(text=text, warnings=tuple(warnings))


def _setuptools(pyproject: Pyproject, text: str, place: ManifestPlace, file: str) -> PackageData:
    """https://setuptools.pypa.io/en/latest/userguide/datafiles.html"""
    if _states_data_of(pyproject, "exclude-package-data", place):
        warning = f"`tool.setuptools.exclude-package-data` leaves `{file}` out of the wheel"
        return PackageData(text=text, warnings=(warning,))
    if _states_data_of(pyproject, "package-data", place):
        return PackageData(text=text)
    for other in ("setup.py", "setup.cfg"):
        # A setting in `pyproject.toml` would take the place of theirs, and lose files.
        content = _read(os.path.join(os.path.dirname(pyproject.path), other))
        if b"package_data" in content.replace(b"include_package_data", b""):
            warning = (
                f"add `{MANIFEST_NAME}` to the `package_data` of `{place.package}` in `{other}`"
            )
            named = MANIFEST_NAME.encode() in content
            return PackageData(text=text, warnings=() if named else (warning,))
    source = display_path(pyproject.path)
    table = (*_SETUPTOOLS, "package-data")
    return PackageData(text=with_member(text, table, place.package, MANIFEST_NAME, source))


def _states_data_of(pyproject: Pyproject, key: str, place: ManifestPlace) -> bool:
    """Whether a table of package data has a pattern for a package's manifest."""
    parts = place.site_path.split("/")
    candidates = [("*", MANIFEST_NAME), ("", MANIFEST_NAME)]
    candidates += [
        (".".join(parts[:depth]), "/".join(parts[depth:])) for depth in range(1, len(parts))
    ]
    return any(
        matches_glob(pattern, rest)
        for package, rest in candidates
        for pattern in pyproject.texts(*_SETUPTOOLS, key, package)
    )


def _hatchling(pyproject: Pyproject, text: str, place: ManifestPlace, file: str) -> PackageData:
    """https://hatch.pypa.io/latest/config/build/#file-selection"""

    def settings(key: str) -> tuple[str, ...]:
        is_of_all = key in pyproject.table(*_HATCH_BUILD)
        is_of_wheels = key in pyproject.table(*_HATCH_WHEEL)
        return (*(_HATCH_WHEEL if is_of_wheels or not is_of_all else _HATCH_BUILD), key)

    source = display_path(pyproject.path)
    forced = pyproject.table(*settings("force-include"))
    if is_ignored(pyproject.texts(*settings("artifacts")), file) or _lies_in(forced, file):
        return PackageData(text=text)
    roots = pyproject.texts(*settings("only-include")) or pyproject.texts(*settings("packages"))
    if roots and not _lies_in(roots, file):
        forcing = settings("force-include")
        return PackageData(text=with_entry(text, forcing, file, place.site_path, source))
    included = pyproject.texts(*settings("include"))
    is_left_out = is_ignored(pyproject.texts(*settings("exclude")), file) or (
        bool(included) and not is_ignored(included, file)
    )
    if not is_left_out and (
        pyproject.get(*settings("ignore-vcs")) is True or not _is_git_ignored(pyproject, file)
    ):
        return PackageData(text=text)
    *table, key = settings("artifacts")
    return PackageData(text=with_member(text, tuple(table), key, file, source))


def _poetry(pyproject: Pyproject, text: str, place: ManifestPlace, file: str) -> PackageData:
    """https://python-poetry.org/docs/pyproject/#include-and-exclude"""
    patterns = tuple(_poetry_packages(pyproject))
    is_left_out = bool(patterns) and not _matches_any(patterns, file)
    excluded = _poetry_paths(pyproject, "exclude")
    is_left_out = is_left_out or _matches_any(excluded, file) or _is_git_ignored(pyproject, file)
    if not is_left_out or _matches_any(_poetry_paths(pyproject, "include"), file):
        return PackageData(text=text)
    if file != place.site_path:
        # Poetry puts an included file where it lies in the project, so `src` would stay.
        warning = f"`tool.poetry` leaves `{file}` out of the wheel: include it in `packages`"
        return PackageData(text=text, warnings=(warning,))
    member = {"path": file, "format": ["sdist", "wheel"]}
    source = display_path(pyproject.path)
    return PackageData(text=with_member(text, _POETRY, "include", member, source))


def _poetry_packages(pyproject: Pyproject) -> Iterator[str]:
    packages = pyproject.get(*_POETRY, "packages")
    for package in packages if isinstance(packages, list) else ():
        if isinstance(package, dict) and isinstance(package.get("include"), str):
            base = package.get("from")
            prefix = f"{base.strip('/')}/" if isinstance(base, str) and base else ""
            yield prefix + package["include"]


def _poetry_paths(pyproject: Pyproject, key: str) -> tuple[str, ...]:
    """Return the patterns of `include` or `exclude` that hold for the wheel."""
    items = pyproject.get(*_POETRY, key)
    found = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            formats = item.get("format", ["sdist"] if key == "include" else ["wheel"])
            is_for_wheels = formats == "wheel" or (isinstance(formats, list) and "wheel" in formats)
            item = item.get("path") if is_for_wheels else None
        elif key == "include":
            # Poetry 2 takes a bare path for the source distribution alone.
            item = None
        if isinstance(item, str):
            found.append(item)
    return tuple(found)


def _lies_in(directories: Iterable[str], file: str) -> bool:
    return any(
        file == directory.strip("/") or file.startswith(f"{directory.strip('/')}/")
        for directory in directories
    )


def _matches_any(patterns: Sequence[str], file: str) -> bool:
    return any(matches_glob(pattern, file) for pattern in patterns)


def _is_git_ignored(pyproject: Pyproject, file: str) -> bool:
    content = _read(os.path.join(os.path.dirname(pyproject.path), ".gitignore"))
    return is_ignored(content.decode("utf-8", "replace").splitlines(), file)


def _read(path: str) -> bytes:
    try:
        return read_regular_file(path, _MAX_IGNORE_BYTES)
    except OSError:
        return b""
