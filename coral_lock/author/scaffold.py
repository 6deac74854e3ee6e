"""A new plugin project: its files as texts, and writing them, never over anything."""

from __future__ import annotations

import keyword
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

from coral_lock.author.manifest_text import new_manifest
from coral_lock.errors import InputError, WriteError
from coral_lock.manifest import ManifestPlugin
from coral_lock.names import (
    CORE_DISTRIBUTION,
    INFERENCE_DISTRIBUTIONS,
    OWN_MODULES,
    is_distribution_name,
    normalized_name,
)
from coral_lock.plugin.config import BUILT_IN_PATCHES, DEFAULT_PLATFORM
from coral_lock.plugin.facts import MANIFEST_NAME, PluginFacts

_MAX_NAME = 100
_TEMPLATES = Path(__file__).absolute().with_name("templates")
_KINDS = {"backends": "backend", "patches": "patch", "workflows": "workflow block"}
_HOSTS = (name.replace("-", "_") for name in (CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS))
_TOOLS = ("pip", "pluggy", "pytest", "setuptools", "src", "tests")
_TAKEN = frozenset((*sys.stdlib_module_names, *OWN_MODULES, *_HOSTS, *_TOOLS))
"""Packages that a new one would hide."""


def package_of(name: str, group: str) -> str:
    """Return the import package of a project of that name, which is also its plugin's name.

    Args:
        name: the distribution's name, as the core metadata specification allows it (PEP 508).
        group: the plugin's group.

    Raises:
        InputError: it is no valid name, or its package or plugin would clash with others.
    """
    if not is_distribution_name(name) or len(name) > _MAX_NAME:
        raise InputError(
            "invalid name of a distribution",
            expected=f"letters, digits and inner `-`, `_` and `.`, at most {_MAX_NAME} of them",
            found=name,
            hint="use a name like `acme-night-vision`",
        )
    normalized = normalized_name(name)
    package = normalized.replace("-", "_")
    problem = None
    if not package.isidentifier() or keyword.iskeyword(package):
        problem = f"its package `{package}` couldn't be imported"
    elif package in _TAKEN:
        problem = f"the package `{package}` would hide another one"
    elif group == "patches" and package in BUILT_IN_PATCHES:
        problem = f"`{package}` is a built-in patch of the host"
    if problem:
        raise InputError(
            f"a project can't be called `{name}`: {problem}",
            hint=f"add a prefix of your own, like `acme-{normalized}`",
        )
    return package


def project_files(name: str, group: str) -> Mapping[str, str]:
    """Return the files of a new project: their texts by their paths, with slashes, sorted.

    Args:
        name: the name of the distribution.
        group: the plugin's group.

    Raises:
        InputError: see `package_of`.
    """
    is_backend = group == "backends"
    last_test = "test_support.py" if is_backend else "test_requirement.py"
    plugin = package_of(name, group)
    templates = {
        ".github/workflows/ci.yml": ("ci.yml",),
        ".gitignore": ("gitignore",),
        "README.md": ("README.md",),
        "pyproject.toml": ("pyproject.toml",),
        "runtime.yaml": ("runtime.yaml",),
        f"src/{plugin}/__init__.py": ("package.py",),
        f"src/{plugin}/plugin.py": (f"{group}.py",),
        "tests/test_plugin.py": ("test_plugin.py", last_test),
    }
    facts = PluginFacts(
        name=plugin,
        description=f"The {_KINDS[group]} {plugin} for Coral Runtime",
        # The author is to correct the versions, and the platform below.
        min_core_version="0.0.4",
        min_inference_version="0.9.0",
    )
    values = {
        **facts.to_dict(),
        "distribution": name,
        "group": group,
        "platform": "rknn" if is_backend else DEFAULT_PLATFORM,
    }
    files = {
        path: "".join(_template(template).substitute(values) for template in names)
        for path, names in templates.items()
    }
    declared = ManifestPlugin(
        group=group,
        entry_point=f"{plugin}.plugin:register_{plugin}",
        facts=PluginFacts(name=plugin) if is_backend else facts,
    )
    files[f"src/{plugin}/{MANIFEST_NAME}"] = new_manifest([declared])
    return {path: files[path] for path in sorted(files)}


def _template(name: str) -> Template:
    return Template(Path(_TEMPLATES, f"{name}.template").read_text(encoding="utf-8"))


def write_project(target: str, files: Mapping[str, str]) -> None:
    """Write a project into a directory that doesn't exist, or is empty.

    The files are written into a temporary directory beside it, which is renamed at the end.

    Args:
        target: the project's directory; its parent must exist.
        files: the texts by their paths below it, with slashes.

    Raises:
        InputError: `target` exists and isn't an empty directory, or its parent doesn't exist.
        WriteError: it can't be written; nothing is left behind.
    """
    parent, name = os.path.split(os.path.abspath(target))
    if not os.path.isdir(parent):
        raise InputError(
            "the directory for the project doesn't exist",
            where=parent,
            hint=f"create it with `mkdir -p {shlex.quote(parent)}`",
        )
    temporary = os.path.join(parent, f".{name}.{os.urandom(6).hex()}.tmp")
    try:
        is_directory = os.path.isdir(target) and not os.path.islink(target)
        if os.path.lexists(target) and not (is_directory and not os.listdir(target)):
            raise InputError(
                "the target exists; nothing was written",
                expected="no file, or an empty directory",
                found="a directory with files" if is_directory else "a file or a link",
                where=target,
                hint="choose another name, or another directory with `--directory DIR`",
            )
        try:
            for path, text in files.items():
                place = Path(temporary, path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8", newline="")
            # Renaming fails if someone has filled the directory in the meantime.
            os.rename(temporary, os.path.join(parent, name))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise WriteError(
            f"`{target}` can't be written: {error.strerror or error}; nothing was written",
            where=target,
            hint="free some space, or pass a writable directory with `--directory DIR`",
        ) from None
