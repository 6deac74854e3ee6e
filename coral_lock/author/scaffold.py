"""A new plugin project: its files as texts, and putting them on disk, never over anything."""

from __future__ import annotations

import keyword
import os
import re
import shlex
import shutil
import sys
from string import Template

from coral_lock.author.manifest_text import new_manifest
from coral_lock.errors import InputError, WriteError
from coral_lock.manifest.model import MANIFEST_NAME
from coral_lock.names import (
    CORE_DISTRIBUTION,
    ENTRY_POINT_GROUPS,
    INFERENCE_DISTRIBUTIONS,
    normalized_name,
    plugin_id,
)
from coral_lock.plugin.config import BUILT_IN_PATCHES, DEFAULT_PLATFORM
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


CORE_VERSION = "0.0.4"
INFERENCE_VERSION = "0.9.0"
OLDER_CORE_VERSION = "0.0.3"
BACKEND_PLATFORM = "rknn"
"""What a new project states, for its author to correct."""

_NAME = re.compile(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]", re.ASCII)
_MAX_NAME = 100
_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
_KINDS = {"backends": "backend", "patches": "patch", "workflows": "workflow block"}
_TAKEN = frozenset(
    {
        "click",
        "coral_inference",
        "coral_lock",
        "inference",
        "packaging",
        "pip",
        "pluggy",
        "pytest",
        "setuptools",
        "src",
        "tests",
        "tomlkit",
        "yaml",
    }
)


class Naming(Record):
    """What a new project calls its things, all of it derived from one name.

    `distribution` is the name as it was given, `package` the import package, and `plugin`
    the plugin's name within its group.
    """

    distribution: str
    package: str
    plugin: str


def naming_of(name: str, group: str) -> Naming:
    """Return what a project of that name calls its things.

    Args:
        name: the distribution's name, as the core metadata specification allows it (PEP 508).
        group: the plugin's group.

    Raises:
        InputError: it is no such name, or its package or plugin would clash with others.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise InputError(
            "this can't be the name of a distribution",
            expected=f"letters, digits and inner `-`, `_` and `.`, at most {_MAX_NAME} of them",
            found=name,
            hint="name it like `acme-night-vision`",
        )
    normalized = normalized_name(name)
    package = normalized.replace("-", "_")
    problem = _problem_with(normalized, package, group)
    if problem:
        raise InputError(
            f"a project can't be called `{name}`: {problem}",
            hint=f"put your own prefix in front of it, like `acme-{normalized}`",
        )
    return Naming(distribution=name, package=package, plugin=package)


def _problem_with(normalized: str, package: str, group: str) -> str | None:
    if not package.isidentifier():
        return f"its package `{package}` couldn't be imported, as it starts with a digit"
    if keyword.iskeyword(package):
        return f"`{package}` is a word of Python's own"
    if package in sys.stdlib_module_names:
        return f"`{package}` is a module of Python's own"
    if normalized in (CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS):
        return "that is the host"
    if package in _TAKEN:
        return f"a package `{package}` would hide another one"
    if group == "patches" and package in BUILT_IN_PATCHES:
        return f"`{package}` is a patch of the host itself"
    return None


def project_files(naming: Naming, group: str) -> Mapping[str, str]:
    """Return the files of a new project: their texts by their paths, with slashes, sorted.

    Args:
        naming: what the project calls its things.
        group: the plugin's group.
    """
    is_backend = group == "backends"
    package = f"src/{naming.package}"
    templates = {
        ".github/workflows/ci.yml": ("ci.yml",),
        ".gitignore": ("gitignore",),
        "README.md": ("README.md",),
        "pyproject.toml": ("pyproject.toml",),
        "runtime.yaml": ("runtime.yaml",),
        f"{package}/__init__.py": ("package.py",),
        f"{package}/plugin.py": (f"{group}.py",),
        "tests/test_plugin.py": (
            "test_plugin.py",
            "test_support.py" if is_backend else "test_requirement.py",
        ),
    }
    values = _values(naming, group)
    files = {
        path: "".join(_template(name).substitute(values) for name in names)
        for path, names in templates.items()
    }
    files[f"{package}/{MANIFEST_NAME}"] = new_manifest([_derived_fields(values, is_backend)])
    return {path: files[path] for path in sorted(files)}


def _derived_fields(values: Mapping[str, str], is_backend: bool) -> dict[str, str]:
    """Return what `manifest compile` reads from the new project's sources."""
    fields = {
        "group": values["group"],
        "name": values["plugin"],
        "entry_point": values["entry_point"],
    }
    if not is_backend:
        fields["description"] = values["description"]
        fields["min_core_version"] = values["core_version"]
        fields["min_inference_version"] = values["inference_version"]
    return fields


def _values(naming: Naming, group: str) -> dict[str, str]:
    factory = f"register_{naming.plugin}"
    return {
        "distribution": naming.distribution,
        "package": naming.package,
        "plugin": naming.plugin,
        "identifier": plugin_id(group, naming.plugin),
        "description": f"The {_KINDS[group]} {naming.plugin} for Coral Runtime",
        "group": group,
        "entry_point_group": ENTRY_POINT_GROUPS[group],
        "entry_point": f"{naming.package}.plugin:{factory}",
        "factory": factory,
        "platform": BACKEND_PLATFORM if group == "backends" else DEFAULT_PLATFORM,
        "other_platform": DEFAULT_PLATFORM,
        "core_version": CORE_VERSION,
        "older_core_version": OLDER_CORE_VERSION,
        "inference_version": INFERENCE_VERSION,
    }


def _template(name: str) -> Template:
    with open(
        os.path.join(_TEMPLATES, f"{name}.template"), encoding="utf-8", newline=""
    ) as template:
        return Template(template.read())


def write_project(target: str, files: Mapping[str, str]) -> None:
    """Write a project into a directory that isn't there yet, or is empty.

    The files are written into a temporary directory beside it, which is renamed at the end.

    Args:
        target: the project's directory; the one that it lies in must be there.
        files: the texts by their paths below it, with slashes.

    Raises:
        InputError: there is something at `target` already, or nothing to put it in.
        WriteError: it can't be written; nothing is left behind.
    """
    _require_room(target)
    parent, name = os.path.split(os.path.abspath(target))
    temporary = os.path.join(parent, f".{name}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            _write_files(temporary, files)
            # Renaming fails if someone has filled the directory in the meantime.
            os.rename(temporary, os.path.join(parent, name))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise WriteError(
            f"`{target}` can't be written: {error.strerror or error}; nothing was written",
            where=target,
            hint="make room, or name a directory that you can write to with `--directory DIR`",
        ) from None


def _require_room(target: str) -> None:
    parent = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(parent):
        raise InputError(
            "there is no directory to put the project in",
            where=parent,
            hint=f"make it with `mkdir -p {shlex.quote(parent)}`",
        )
    if not os.path.lexists(target):
        return
    is_directory = os.path.isdir(target) and not os.path.islink(target)
    try:
        if is_directory and not os.listdir(target):
            return
    except OSError as error:
        raise InputError(f"`{target}` can't be read: {error.strerror}", where=target) from None
    raise InputError(
        "there is something already where the project would go; nothing was written",
        expected="nothing, or an empty directory",
        found="a directory with files" if is_directory else "a file or a link",
        where=target,
        hint="choose another name, or another place with `--directory DIR`",
    )


def _write_files(root: str, files: Mapping[str, str]) -> None:
    os.mkdir(root)
    for path in sorted(files):
        place = os.path.join(root, *path.split("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "x", encoding="utf-8", newline="") as file:
            file.write(files[path])
