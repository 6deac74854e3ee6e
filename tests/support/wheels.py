"""Build wheels from the projects under `fixtures/`.

Command: `python -m tests.support.wheels OUTPUT [NAME...]`, where a name is that of a
project's directory.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from build import ProjectBuilder

from tests.support.environments import clean_environment

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
KINDS = ("hosts", "libraries", "plugins")
SOURCE_DATE_EPOCH = "1700000000"
WORKERS = 2

_SOURCES = ".sources.json"
_LEFTOVERS = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info")


def fixture_projects(*names: str) -> tuple[Path, ...]:
    """The projects with these directory names, or all of them, sorted by kind and name.

    Raises LookupError for a name that no project has.
    """
    projects = {
        project.name: project
        for kind in KINDS
        for project in sorted((FIXTURES / kind).iterdir())
        if (project / "pyproject.toml").is_file()
    }
    unknown = [name for name in names if name not in projects]
    if unknown:
        raise LookupError(f"no fixture project named {', '.join(unknown)}")
    return tuple(projects[name] for name in names or projects)


def build_wheels(projects: Sequence[Path], output: Path) -> tuple[Path, ...]:
    """Build one wheel per project into `output` and return their paths in that order.

    A wheel that `output` has from identical sources is kept. The build back ends come
    from the running interpreter, and nothing is written into the projects. Callers in
    several processes may share one `output`.
    """
    output.mkdir(parents=True, exist_ok=True)
    with _locked(output), tempfile.TemporaryDirectory() as scratch:
        known = _read_sources(output)
        copies = [Path(scratch, str(index)) for index in range(len(projects))]
        for project, copy in zip(projects, copies, strict=True):
            shutil.copytree(project, copy, ignore=_LEFTOVERS)
        sources = [_sources_digest(copy) for copy in copies]
        built = {digest: name for name, digest in known.items() if (output / name).is_file()}

        def build(digest: str, copy: Path) -> None:
            built[digest] = _build(copy, output)
            known[built[digest]] = digest

        missing = {d: c for d, c in zip(sources, copies, strict=True) if d not in built}
        try:
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(build, missing.keys(), missing.values()))
        finally:
            _write_sources(output, known)
        return tuple(output / built[digest] for digest in sources)


def _build(project: Path, output: Path) -> str:
    """Build outside of `output`, because hatchling obeys the ignore file of a repository
    that it finds itself in."""
    builder = ProjectBuilder(project, python_executable=sys.executable, runner=_run_quietly)
    wheel = Path(builder.build("wheel", project.with_name(f"{project.name}.out")))
    partial = output / f".{wheel.name}.partial"
    shutil.copyfile(wheel, partial)
    os.replace(partial, output / wheel.name)
    return wheel.name


def _run_quietly(
    cmd: Sequence[str],
    cwd: str | None = None,
    extra_environ: Mapping[str, str] | None = None,
) -> None:
    environment = clean_environment(
        {"SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH, **(extra_environ or {})}
    )
    done = subprocess.run(cmd, cwd=cwd, env=environment, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"{' '.join(cmd)} failed in {cwd}:\n{done.stdout}{done.stderr}")


def _sources_digest(project: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in project.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content}  {path.relative_to(project).as_posix()}\n".encode())
    return digest.hexdigest()


def _read_sources(output: Path) -> dict[str, str]:
    """The digest of the sources of each wheel in `output`, by the wheel's file name."""
    try:
        recorded = json.loads((output / _SOURCES).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in recorded.items()}


def _write_sources(output: Path, known: Mapping[str, str]) -> None:
    text = json.dumps(known, indent=2, sort_keys=True) + "\n"
    (output / _SOURCES).write_text(text, encoding="utf-8")


@contextmanager
def _locked(output: Path) -> Iterator[None]:
    with open(output / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.wheels")
    parser.add_argument("output", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    try:
        projects = fixture_projects(*arguments.names)
    except LookupError as error:
        parser.error(str(error))
    for wheel in build_wheels(projects, arguments.output):
        print(wheel)


if __name__ == "__main__":
    main()
