"""Fill a wheelhouse with everything that the tests install.

Command: `python -m tests.support.wheelhouse OUTPUT`. It downloads third-party wheels, so
it is part of the set-up and not of the tests.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.support.wheels import FIXTURES, build_wheels, fixture_projects

REPOSITORY = FIXTURES.parent
PACKAGE = "coral_lock"
THIRD_PARTY = ("click==8.5.1", "packaging", "pyyaml", "tomlkit", "markupsafe==3.0.4")
AUTHORS_TOOLS = (
    "build",
    "editables",
    "exceptiongroup",
    "hatchling",
    "iniconfig",
    "pathspec",
    "pluggy",
    "pygments",
    "pyproject-hooks",
    "pytest",
    "tomli",
    "trove-classifiers",
    "typing-extensions",
)
"""What the author of a plugin builds and tests with, and what that requires."""

REAL_INFERENCE = "inference==0.58.0"


def fill_wheelhouse(output: Path) -> tuple[Path, ...]:
    """Put the wheels of all fixtures, of this repository and of the third-party
    requirements into `output`, and return those that are built here."""
    built = build_wheels(fixture_projects(), output)
    with tempfile.TemporaryDirectory() as scratch:
        own = build_wheels((_copy_of_repository(Path(scratch, PACKAGE)),), output)
    wanted = (*THIRD_PARTY, *AUTHORS_TOOLS)
    missing = [text for text in wanted if not _has(output, Requirement(text))]
    if missing:
        _download(missing, output)
    return (*built, *own)


def fetch_real_inference(wheelhouse: Path) -> Path:
    """Return the wheel of the real inference host, downloaded beside the wheelhouse.

    It has a directory of its own, as a fixture bears the same name and version.
    """
    output = wheelhouse.parent / "real"
    output.mkdir(parents=True, exist_ok=True)
    wheels = sorted(output.glob("inference-*.whl"))
    if not wheels:
        _download([REAL_INFERENCE], output, "--ignore-requires-python")
        wheels = sorted(output.glob("inference-*.whl"))
    (wheel,) = wheels
    return wheel


def _copy_of_repository(target: Path) -> Path:
    """Copy what the wheel is built from, and neither the tests nor an environment."""
    target.mkdir()
    for path in REPOSITORY.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, target)
    for directory in (PACKAGE, "schemas"):
        shutil.copytree(REPOSITORY / directory, target / directory)
    return target


def _has(output: Path, requirement: Requirement) -> bool:
    supported = frozenset(sys_tags())
    for wheel in output.glob("*.whl"):
        name, version, _, tags = parse_wheel_filename(wheel.name)
        if (
            name == canonicalize_name(requirement.name)
            and version in requirement.specifier
            and tags & supported
        ):
            return True
    return False


def _download(requirements: list[str], output: Path, *more_options: str) -> None:
    """Download with the user's own pip settings, which know the index to use."""
    options = ("--only-binary", ":all:", "--no-deps", "--dest", str(output), *more_options)
    subprocess.run(
        (sys.executable, "-m", "pip", "download", "--quiet", *options, *requirements),
        check=True,
        stdout=sys.stderr,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.wheelhouse")
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    for wheel in (*fill_wheelhouse(output), fetch_real_inference(output)):
        print(wheel)


if __name__ == "__main__":
    main()
