"""The environments in which everything is measured, one per number of distributions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.synthetic_site import Site, write_site
from tests.support.environments import (
    Environment,
    clean_environment,
    create_environment,
    install_with_uv,
)
from tests.support.wheelhouse import REPOSITORY, fill_wheelhouse

LOADERS = ("stevedore", "pluggy")
WHEELHOUSE = REPOSITORY / ".cache" / "wheelhouse"
LOADER_WHEELS = REPOSITORY / ".cache" / "bench-wheels"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """An environment with a site like that, and a directory to work in.

    `plugin_files` are the files of the plugin distributions that a digest covers.
    """

    site: Site
    environment: Environment
    directory: Path
    plugin_files: tuple[str, ...]


def make_subjects(
    root: Path, sites: tuple[Site, ...], progress: Callable[[str], None]
) -> list[Subject]:
    """Build the environments below `root`, bytecode compiled."""
    progress("building wheels")
    fill_wheelhouse(WHEELHOUSE)
    loader_wheels = _loader_wheels()
    subjects = []
    for number, site in enumerate(sites):
        progress(f"making an environment of {site}")
        subjects.append(_make_subject(root / str(number), site, loader_wheels))
    return subjects


def variables(root: Path) -> Mapping[str, str]:
    """The environment variables of everything that is measured: caches lie below `root`."""
    return clean_environment(
        {"XDG_CACHE_HOME": str(root / "cache"), "XDG_STATE_HOME": str(root / "state")}
    )


def has_loader_cache(root: Path) -> bool:
    """Whether stevedore has come to keep its cache, given the environment variables above."""
    return any((root / "cache" / "python-entrypoints").glob("*"))


def _loader_wheels() -> tuple[Path, ...]:
    """Return the wheels of the loaders to compare with, downloaded once."""
    missing = [name for name in LOADERS if not list(LOADER_WHEELS.glob(f"{name}-*.whl"))]
    if missing:
        options = ("--quiet", "--only-binary", ":all:", "--no-deps", "--dest", str(LOADER_WHEELS))
        subprocess.run(
            (sys.executable, "-m", "pip", "download", *options, *missing),
            check=True,
            stdout=sys.stderr,
        )
    return tuple(max(LOADER_WHEELS.glob(f"{name}-*.whl")) for name in LOADERS)


def install_subject(place: Path, *wheels: Path) -> Environment:
    """Make an environment with coral-lock in it."""
    environment = create_environment(place)
    install_with_uv(environment, "coral-lock", *wheels, wheelhouse=WHEELHOUSE)
    return environment


def _make_subject(root: Path, site: Site, loader_wheels: tuple[Path, ...]) -> Subject:
    directory = root / "work"
    directory.mkdir(parents=True)
    environment = install_subject(root / "environment", *loader_wheels)
    directory_of_site = environment.site_packages
    count = site.size - len(list(directory_of_site.glob("*.dist-info")))
    plugin_files = write_site(directory_of_site, count, site.has_manifests)
    subprocess.run(
        (str(environment.python), "-m", "compileall", "-q", "-j", "0", str(directory_of_site)),
        check=True,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    return Subject(
        site=site, environment=environment, directory=directory, plugin_files=plugin_files
    )
