"""Other interpreters that this machine has, for tests that need more than one."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import uv

from tests.support.environments import clean_environment

_TIMEOUT = 60


@functools.cache
def other_interpreters() -> dict[str, Path]:
    """The interpreters of other versions than this one, by language version, `3.12`."""
    found: dict[str, Path] = {}
    for candidate in (*_of_pyenv(), *_of_uv()):
        version = _language_version(candidate)
        if version and version != f"{sys.version_info[0]}.{sys.version_info[1]}":
            found.setdefault(version, candidate)
    return dict(sorted(found.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def usable_interpreters() -> dict[str, Path]:
    """Those of them that this project supports."""
    return {
        version: path
        for version, path in other_interpreters().items()
        if tuple(map(int, version.split("."))) >= (3, 10)
    }


def _of_uv() -> Iterator[Path]:
    # pyenv's programs, each a shell script that takes long to say which interpreter it is, stand
    # for those that are listed without uv.
    searched = os.environ.get("PATH", "").split(os.pathsep)
    path = os.pathsep.join(each for each in searched if Path(each).name != "shims")
    listed = subprocess.run(
        (
            uv.find_uv_bin(),
            "--no-config",
            *("python", "list", "--only-installed", "--offline", "--output-format", "json"),
        ),
        env=clean_environment({"PATH": path}),
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT,
    )
    if listed.returncode == 0:
        yield from (Path(entry["path"]) for entry in json.loads(listed.stdout) if entry["path"])


def _of_pyenv() -> Iterator[Path]:
    root = os.environ.get("PYENV_ROOT")
    if root:
        yield from sorted(Path(root).glob("versions/*/bin/python"))


def _language_version(python: Path) -> str | None:
    program = "import sys; print('%d.%d' % tuple(sys.version_info[:2]))"
    try:
        answered = subprocess.run(
            (python, "-E", "-s", "-S", "-c", program),
            env=clean_environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=_TIMEOUT,
        )
    except OSError:
        return None
    return answered.stdout.strip() if answered.returncode == 0 else None
