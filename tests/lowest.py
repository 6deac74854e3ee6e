"""Run the tests that reach a dependency beside the versions of it that others insist on.

Command: `python -m tests.lowest [PYTEST OPTIONS]`. It makes environments in `.cache/lowest`:
one with the lowest versions that `pyproject.toml` declares, one with those that the host pins,
and one with the lowest of the extras. An environment is kept until what it is made
from changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

from tests.support.environments import clean_environment
from tests.support.interpreters import usable_interpreters
from tests.support.wheelhouse import REPOSITORY

DIRECTORY = REPOSITORY / ".cache" / "lowest"
TOOLS = ("build", "hypothesis", "jsonschema", "pip", "pytest", "rfc3986-validator", "uv")
"""What the tests themselves need, in the newest versions that go along with the rest."""

INSTALLING = frozenset({"device", "wheelhouse"})
"""Tests with these fixtures install coral-lock elsewhere, with the versions of the wheelhouse."""

TESTS = (
    "tests/unit",
    "tests/integration/test_command_line.py",
    "tests/integration/test_lock_optional.py",
    "tests/integration/test_lock_places.py",
    "tests/integration/test_lock_wheels.py",
)
EXTRAS = ("export", "fleet", "html", "sbom", "sign")
TESTS_OF_EXTRAS = (
    "tests/unit/export",
    "tests/unit/fleet/test_load.py",
    "tests/unit/signing",
    "tests/unit/test_html.py",
    "tests/integration/test_export.py",
)
"""They need the extras."""

LEFT_OUT = (
    "tests/unit/export",
    "tests/unit/author/test_check_run.py",
    "tests/unit/choose/test_laws.py",
    "tests/unit/descriptor/test_laws.py",
    "tests/unit/manifest/test_laws.py",
    "tests/unit/signing",
    "tests/unit/signing/test_other_tools.py",
    "tests/unit/test_capabilities.py",
    "tests/unit/test_code.py",
    "tests/unit/test_graph.py",
    "tests/unit/test_merging.py",
    "tests/unit/test_renderings.py",
    "tests/unit/test_static_evaluation.py",
    "tests/unit/wheels/test_known_files.py",
)
"""What takes long, and reaches no dependency that shorter tests don't, or needs newer ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """Versions to run beside: pins, or the lowest that are declared, with extras or without."""

    name: str
    python: Path
    pins: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    tests: tuple[str, ...] = TESTS

    @property
    def directory(self) -> Path:
        return DIRECTORY / self.name

    def make(self) -> None:
        """Make the environment, if what it is made from isn't what it was."""
        project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
        recipe = "\n".join((str(self.python), *self.pins, *self.extras, *TOOLS, project))
        mark = self.directory / "recipe"
        if mark.is_file() and mark.read_text(encoding="utf-8") == recipe:
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        _uv("venv", f"--python={self.python}", str(self.directory))
        versions = self.directory / "versions.txt"
        if self.pins:
            versions.write_text("".join(f"{pin}\n" for pin in self.pins), encoding="utf-8")
        else:
            extras = (f"--extra={extra}" for extra in self.extras)
            lowest = ("--resolution=lowest-direct", f"--output-file={versions}", *extras)
            _uv("pip", "compile", f"--python={self.python}", *lowest, "pyproject.toml")
        wanted = ("--editable", f".[{','.join(self.extras)}]" if self.extras else ".", *TOOLS)
        _uv("pip", "install", f"--python={self.directory}", f"--constraint={versions}", *wanted)
        mark.write_text(recipe, encoding="utf-8")

    def run(self, options: list[str]) -> bool:
        """Run the tests, print what pytest says, and return whether all passed."""
        started = time.monotonic()
        self.make()
        finished = subprocess.run(
            (
                str(self.directory / "bin" / "python"),
                *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.lowest"),
                "--hypothesis-profile=quick",
                *options,
                *self.tests,
                *(f"--ignore={path}" for path in LEFT_OUT if path not in self.tests),
            ),
            cwd=REPOSITORY,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        lines = finished.stdout.splitlines()
        told = lines if finished.returncode else lines[-1:]
        took = f"{time.monotonic() - started:.0f} s with the environment"
        heading = f"{self.name}: exit code {finished.returncode}, {took}"
        print("\n".join((heading, *told)), flush=True)
        return finished.returncode == 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that install coral-lock elsewhere; pytest calls it in the child."""
    leaving = [item for item in items if INSTALLING & set(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=leaving)
    items[:] = [item for item in items if item not in leaving]


def _uv(*words: str) -> None:
    """Run uv with the user's own settings, which know the index to use."""
    subprocess.run(
        (uv.find_uv_bin(), "--quiet", *words),
        cwd=REPOSITORY,
        env={**os.environ, "VIRTUAL_ENV": ""},
        check=True,
    )


def _oldest_python() -> Path:
    here = ".".join(map(str, sys.version_info[:2]))
    found = {**usable_interpreters(), here: Path(sys.executable)}
    return found[min(found, key=lambda version: tuple(map(int, version.split("."))))]


def main(options: list[str]) -> int:
    """Run all of them, two at a time; return the exit code."""
    oldest = _oldest_python()
    besides = (
        Beside(name="lowest", python=oldest),
        Beside(name="host", python=Path(sys.executable), pins=("click==8.1.8", "packaging==24.2")),
        Beside(name="extras", python=oldest, extras=EXTRAS, tests=TESTS_OF_EXTRAS),
    )
    with ThreadPoolExecutor(2) as pool:
        return 0 if all(list(pool.map(lambda beside: beside.run(options), besides))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
