"""A site directory under the lock, without an installer: what a process imports from it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coral_lock.imports.verified import prepare_cache
from coral_lock.installed.import_lookup import DirectoryFinder
from coral_lock.targets.machine import this_machine
from coral_lock.verification.machine import Environment
from tests.support.environments import clean_environment

OWN_LIBRARY = Path(__file__).parents[2]

_PROGRAM = """
import json, os, sys
settings = json.loads(sys.argv.pop(1))
own, site = settings["own"], settings["site"]
sys.path[:] = [*settings["before"], own, *sys.path, site, *settings["behind"]]
from coral_lock.imports.finder import install_imports
from coral_lock.imports.table import ImportTable, ProvedList
table = ImportTable(
    ProvedList(name=name, root=site, hashes=hashes, requires=tuple(requires))
    for name, (hashes, requires) in settings["lists"].items()
)
supplied, findings = [], []
def supply():
    supplied.append(True)
    return table
imports = install_imports(
    table.index(settings["unlisted"]),
    supply,
    on_mismatch=findings.append,
    bytecode_directory=settings["bytecode"],
    closed=settings["closed"],
)
exec(settings["program"])
"""


def environment_of(path: Sequence[str]) -> Environment:
    """Return an environment with this path, the interpreter of which is like this one."""
    machine = this_machine()
    finder = DirectoryFinder((os.path.dirname(os.__file__), *path), sys.builtin_module_names)
    return Environment(
        path=tuple(path), python=machine.language_version, find=finder.find, machine=machine
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedSite:
    """A site directory, the lists of the distributions in it, and what surrounds it."""

    directory: Path
    lists: dict[str, tuple[dict[str, str], Sequence[str]]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.directory / "site"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def write(self, path: str, content: str | bytes = "") -> Path:
        """Write a file of the site directory that no list names."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def lock(
        self, name: str, files: Mapping[str, str | bytes], requires: Sequence[str] = ()
    ) -> None:
        """Write a distribution's files and list them."""
        hashes = {}
        for path, content in files.items():
            hashes[path] = hashlib.sha256(self.write(path, content).read_bytes()).hexdigest()
        self.lists[name] = (hashes, requires)

    def run(
        self,
        program: str,
        *,
        before: Sequence[Path] = (),
        behind: Sequence[Path] = (),
        closed: bool = False,
        unlisted: Sequence[str] = (),
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        options: Sequence[str] = ("-I",),
    ) -> str:
        """Run a program under the lock in a fresh interpreter; return what it prints.

        Args:
            before: directories at the front of its path.
            behind: directories behind the site directory.
        """
        settings: dict[str, Any] = {
            "own": str(OWN_LIBRARY),
            "site": str(self.root),
            "bytecode": prepare_cache(str(self.state)),
            "before": list(map(str, before)),
            "behind": list(map(str, behind)),
            "lists": self.lists,
            "closed": closed,
            "unlisted": list(unlisted),
            "program": program,
        }
        done = subprocess.run(
            [python, *options, "-c", _PROGRAM, json.dumps(settings)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.directory,
            env=clean_environment(env),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
