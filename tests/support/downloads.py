"""Wheels of others, downloaded once, for this interpreter or for a machine that isn't here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelTarget:
    """Linux with glibc, and a CPython: its version, `3.10`, and the architecture."""

    python: str
    architecture: str

    def __str__(self) -> str:
        return f"py{self.python}-{self.architecture}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags of what such a machine installs, whatever its glibc."""
        return (f"manylinux_2_17_{self.architecture}", f"manylinux2014_{self.architecture}")

    def tags(self) -> tuple[Tag, ...]:
        """The wheel tags, the best first."""
        major, minor = map(int, self.python.split("."))
        interpreter = f"cp{major}{minor}"
        return (
            *cpython_tags((major, minor), (interpreter,), self.platforms),
            *compatible_tags((major, minor), interpreter, self.platforms),
        )

    def pip_options(self) -> tuple[str, ...]:
        """How `pip download` is told of it."""
        return (
            *(f"--platform={platform}" for platform in self.platforms),
            f"--python-version={self.python}",
            "--implementation=cp",
            f"--abi=cp{self.python.replace('.', '')}",
            "--abi=abi3",
            "--abi=none",
        )


def find_wheel(directory: Path, requirement: str, target: WheelTarget | None = None) -> Path | None:
    """Return the newest wheel in `directory` that meets a requirement and fits the target, by
    default this interpreter; None where there is none."""
    wanted = Requirement(requirement)
    tags = target.tags() if target else tuple(sys_tags())
    ranks = {tag: -rank for rank, tag in enumerate(tags)}
    found: list[tuple[Version, int, str]] = []
    for wheel in directory.glob("*.whl"):
        name, version, _, of_wheel = parse_wheel_filename(wheel.name)
        fitting = [ranks[tag] for tag in of_wheel if tag in ranks]
        if name == canonicalize_name(wanted.name) and version in wanted.specifier and fitting:
            found.append((version, max(fitting), wheel.name))
    return directory / max(found)[2] if found else None


def fetch_wheels(
    requirements: Sequence[str], directory: Path, target: WheelTarget | None = None
) -> tuple[Path, ...]:
    """Return a wheel for each requirement, in `directory`; what isn't there is downloaded."""
    found = [find_wheel(directory, requirement, target) for requirement in requirements]
    missing = [text for text, wheel in zip(requirements, found, strict=True) if wheel is None]
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
        download(missing, directory, *(target.pip_options() if target else ()))
        found = [find_wheel(directory, requirement, target) for requirement in requirements]
    wheels = tuple(wheel for wheel in found if wheel is not None)
    assert len(wheels) == len(requirements), f"{directory} lacks some of {', '.join(missing)}"
    return wheels


def download(requirements: Iterable[str], output: Path, *more_options: str) -> None:
    """Download with the user's own pip settings, which know the index to use."""
    options = ("--only-binary", ":all:", "--no-deps", "--dest", str(output), *more_options)
    subprocess.run(
        (sys.executable, "-m", "pip", "download", "--quiet", *options, *requirements),
        check=True,
        stdout=sys.stderr,
    )
