"""Getting manifests into the wheel, where the build back end would leave them out."""

from __future__ import annotations

import os

from coral_lock.author.layout import FLIT, HATCHLING, POETRY, SETUPTOOLS, UV, backend_family
from coral_lock.author.patterns import is_ignored, matches_glob
from coral_lock.author.pyproject import display_path
from coral_lock.author.pyproject_edit import with_entry, with_member
from coral_lock.manifest.model import MANIFEST_NAME
from coral_lock.record import Record
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coral_lock.author.manifest_place import ManifestPlace
    from coral_lock.author.project import Project
    from coral_lock.author.pyproject import Pyproject

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
