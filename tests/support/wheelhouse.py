"""Fill a wheelhouse with everything that the tests install.

Command: `python -m tests.support.wheelhouse OUTPUT`. It downloads third-party wheels, so
it is part of the set-up and not of the tests.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from tests.support.downloads import WheelTarget, download, fetch_wheels
from tests.support.environments import backends, compiled
from tests.support.interpreters import usable_interpreters
from tests.support.real_wheels import fetch_real_wheels
from tests.support.wheels import FIXTURES, build_wheels, fixture_projects

REPOSITORY = FIXTURES.parent
PACKAGE = "coral_lock"
THIRD_PARTY = (
    "attrs",
    "click==8.5.1",
    "installer",
    "jsonschema",
    "jsonschema-specifications",
    "markupsafe==3.0.4",
    "packaging",
    "pip>=26.1",
    "pyyaml",
    "referencing",
    "resolvelib",
    "rpds-py",
    "tomlkit",
)
NATIVE = ("markupsafe==3.0.4", "pyyaml", "rpds-py")
"""What of that is made for each Python and each architecture of its own."""

OF_EXTRAS = (
    "boolean-py",
    "cffi",
    "cryptography",
    "cyclonedx-python-lib",
    "defusedxml",
    "license-expression",
    "packageurl-python",
    "py-serializable",
    "pycparser",
    "sortedcontainers",
)
"""What the extras `sbom` and `sign` require."""

AUTHORS_TOOLS = (
    "build",
    "editables",
    "exceptiongroup",
    "gunicorn",
    "h11",
    "flit-core",
    "hatchling",
    "importlib-metadata<8",
    "iniconfig",
    "pathspec",
    "pluggy",
    "poetry-core",
    "pygments",
    "pyproject-hooks",
    "pytest",
    "setuptools<81",
    "tomli",
    "trove-classifiers",
    "typing-extensions",
    "uvicorn",
    "zipp",
)
"""What the author of a plugin builds and tests with, and what that requires."""

REAL_INFERENCE = "inference==0.58.0"

PYTHONS = ("3.13", "3.12", "3.11", "3.10")
"""The versions of CPython that all the third-party wheels are published for, the newest first."""

THIS = WheelTarget(
    python=f"{sys.version_info[0]}.{sys.version_info[1]}", architecture=platform.machine()
)
JETSON = WheelTarget(python="3.10", architecture="aarch64")
GATEWAY = WheelTarget(python="3.12", architecture="x86_64")
ELSEWHERE = WheelTarget(
    python="3.10", architecture="x86_64" if THIS.architecture == "aarch64" else "aarch64"
)
"""A machine of another architecture than this one."""


def fill_wheelhouse(output: Path) -> tuple[Path, ...]:
    """Put the wheels of all fixtures, of this repository and of the third-party
    requirements into `output`, and return those that are built here."""
    built = build_wheels(fixture_projects(), output)
    with tempfile.TemporaryDirectory() as scratch:
        own = build_wheels((copy_of_repository(Path(scratch, PACKAGE)),), output)
    fetch_wheels((*THIRD_PARTY, *OF_EXTRAS, *AUTHORS_TOOLS), output)
    return (*built, *own)


def fetch_real_inference(wheelhouse: Path) -> Path:
    """Return the wheel of the real inference host, downloaded beside the wheelhouse.

    It has a directory of its own, as a fixture bears the same name and version.
    """
    output = wheelhouse.parent / "real"
    output.mkdir(parents=True, exist_ok=True)
    wheels = sorted(output.glob("inference-*.whl"))
    if not wheels:
        download([REAL_INFERENCE], output, "--ignore-requires-python")
        wheels = sorted(output.glob("inference-*.whl"))
    (wheel,) = wheels
    return wheel


def fetch_target_wheels(wheelhouse: Path, target: WheelTarget) -> tuple[Path, ...]:
    """Return the wheels of a machine that isn't this one, downloaded beside the wheelhouse
    into a directory of the target's own: `targets/py3.10-aarch64`."""
    return fetch_wheels(NATIVE, wheelhouse.parent / "targets" / str(target), target)


def other_interpreter() -> tuple[Path, WheelTarget] | None:
    """Return an interpreter of this machine with another version of Python, or None."""
    found = usable_interpreters() if sys.platform == "linux" else {}
    for python in PYTHONS:
        if python in found:
            return found[python], WheelTarget(python=python, architecture=THIS.architecture)
    return None


def copy_of_repository(target: Path) -> Path:
    """Copy what the wheel is built from, and neither the tests nor an environment."""
    target.mkdir()
    for path in REPOSITORY.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, target)
    for directory in (PACKAGE, "schemas"):
        shutil.copytree(REPOSITORY / directory, target / directory)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.wheelhouse")
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    wheels = [*fill_wheelhouse(output), fetch_real_inference(output), *fetch_real_wheels(output)]
    other = other_interpreter()
    for target in sorted({JETSON, GATEWAY, ELSEWHERE, *(other[1:] if other else ())}, key=str):
        wheels.extend(fetch_target_wheels(output, target))
    compiled(output.resolve())
    backends(output.resolve())
    for wheel in wheels:
        print(wheel)


if __name__ == "__main__":
    main()
