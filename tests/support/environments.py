"""Real virtual environments for tests, sealed from the environment of the test run."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import uv

_LEAKS = ("CORAL_", "CI_", "DYLD_", "GITHUB_", "LD_", "PYTHON", "PIP_", "UV_", "VIRTUAL_ENV")
_CERTIFICATES = frozenset({"PIP_CERT"})
_TIMEOUT = 300
_STARTED = ("coral-lock[sign]", "pytest")
"""What the tests start again and again."""

_BACKENDS = ("setuptools<81", "hatchling", "editables", "poetry-core", "flit-core")
"""What projects of the tests are built with."""

_COMPILEALL = ("-m", "compileall", "-q", "--invalidation-mode=checked-hash")
"""What makes bytecode that holds wherever it is copied."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @property
    def site_packages(self) -> Path:
        (directory,) = self.root.glob("lib/python3*/site-packages")
        return directory


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment variables without those that change what Python, pip,
    uv or Coral Runtime do, plus `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _CERTIFICATES or not name.startswith(_LEAKS)
    }
    return {**kept, "NO_COLOR": "1", **(extra or {})}


def create_environment(path: Path, python: str = sys.executable) -> Environment:
    """Create an empty virtual environment at `path`, which must not exist."""
    _run_checked(_uv_command("venv", "--no-project", "--python", python, str(path)))
    return Environment(root=path)


def install_with_uv(
    environment: Environment,
    *wheels_or_names: Path | str,
    wheelhouse: Path,
    no_deps: bool = False,
    builds: bool = False,
) -> None:
    """Install from `wheelhouse` alone.

    With `builds`, projects are built by what is kept of back ends, not by new copies of them.

    Files are copied, also from the cache, which is this process's own, so that an edit in one
    environment never shows in another. Where coral-lock is installed, it comes with its bytecode
    and that of what it requires and is tested by, as on any machine after the first start.
    """
    options, variables = _built_with(wheelhouse) if builds else ((), {})
    _install_with_uv(
        environment,
        *options,
        *wheels_or_names,
        wheelhouse=wheelhouse,
        no_deps=no_deps,
        variables=variables,
    )
    if "coral-lock" in wheels_or_names and not no_deps:
        started, site_packages = compiled(wheelhouse), environment.site_packages
        for source, bytecode in _bytecode(wheelhouse):
            if (site_packages / source).is_file():
                (site_packages / bytecode.parent).mkdir(exist_ok=True)
                shutil.copyfile(started / bytecode, site_packages / bytecode)


@cache
def _scratch(name: str) -> Path:
    """Return a directory that lasts as long as this process."""
    directory = Path(tempfile.mkdtemp(prefix=f"coral-lock-{name}-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@cache
def compiled(wheelhouse: Path) -> Path:
    """Return a site directory with all that this wheelhouse's wheels have of `_STARTED`."""
    return _kept(wheelhouse, "compiled", _STARTED)


@cache
def backends(wheelhouse: Path) -> Path:
    """Return a site directory with all that this wheelhouse's wheels have of `_BACKENDS`."""
    return _kept(wheelhouse, "backends", _BACKENDS)


def _built_with(wheelhouse: Path) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return what makes an installer build with back ends that are there, compiled."""
    return ("--no-build-isolation",), {"PYTHONPATH": str(backends(wheelhouse))}


def _kept(wheelhouse: Path, directory: str, names: tuple[str, ...]) -> Path:
    """Return a site directory with distributions and their bytecode.

    It is kept beside the wheelhouse, for all processes, until another wheel is in there.
    """
    wheels = sorted((wheel.name, wheel.stat().st_mtime_ns) for wheel in wheelhouse.glob("*.whl"))
    key = hashlib.sha256(repr((sys.version, names, wheels)).encode()).hexdigest()[:16]
    kept = Environment(root=wheelhouse.parent / directory / key)
    if not kept.root.is_dir():
        for other in {*kept.root.parent.glob("????????????????")} - {kept.root}:
            shutil.rmtree(other, ignore_errors=True)
        kept.root.parent.mkdir(exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=kept.root.parent))
        environment = create_environment(scratch / "environment")
        _install_with_uv(environment, *names, wheelhouse=wheelhouse)
        _run_checked((str(environment.python), *_COMPILEALL, str(environment.site_packages)))
        with suppress(OSError):
            environment.root.rename(kept.root)
        shutil.rmtree(scratch)
    return kept.site_packages


@cache
def _bytecode(wheelhouse: Path) -> tuple[tuple[Path, Path], ...]:
    """Return the paths of sources and of their bytecode, relative to a site directory."""
    site_packages = compiled(wheelhouse)
    return tuple(
        (path.parents[1] / f"{path.name.partition('.')[0]}.py", path)
        for path in (found.relative_to(site_packages) for found in site_packages.rglob("*.pyc"))
    )


def _install_with_uv(
    environment: Environment,
    *wheels_or_names: Path | str,
    wheelhouse: Path,
    no_deps: bool = False,
    variables: Mapping[str, str] | None = None,
) -> None:
    _run_checked(
        _uv_command(
            "pip",
            "install",
            "--offline",
            f"--cache-dir={_scratch('uv-cache')}",
            "--link-mode=copy",
            f"--python={environment.python}",
            *_source_options(wheelhouse, no_deps),
            *map(str, wheels_or_names),
        ),
        variables,
    )


def install_with_pip(
    environment: Environment,
    *wheels_or_names: Path | str,
    wheelhouse: Path,
    no_deps: bool = False,
    builds: bool = False,
) -> None:
    """Install from `wheelhouse` alone, with the pip of the running interpreter."""
    options, variables = _built_with(wheelhouse) if builds else ((), {})
    _run_checked(
        (
            sys.executable,
            "-m",
            "pip",
            f"--python={environment.python}",
            "--disable-pip-version-check",
            "--no-input",
            "install",
            *options,
            *_source_options(wheelhouse, no_deps),
            *map(str, wheels_or_names),
        ),
        variables,
    )


def run(
    environment: Environment,
    *args: str | Path,
    cwd: Path | None = None,
    env_extra: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command, looked up in the environment first, whatever its exit code."""
    search_path = f"{environment.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return subprocess.run(
        tuple(map(str, args)),
        cwd=cwd,
        env=clean_environment({"PATH": search_path, **(env_extra or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT,
    )


def _uv_command(*args: str) -> tuple[str, ...]:
    return (uv.find_uv_bin(), "--no-config", *args)


def _source_options(wheelhouse: Path, no_deps: bool) -> tuple[str, ...]:
    options = ("--no-index", f"--find-links={wheelhouse}")
    return (*options, "--no-deps") if no_deps else options


def _run_checked(command: tuple[str, ...], variables: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=clean_environment({"PIP_CONFIG_FILE": os.devnull, **(variables or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
