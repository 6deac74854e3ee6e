"""Releases to roll out, and the hosts that they are rolled out to, which are directories here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.controller import PYTHON
from tests.support.downloads import find_wheel
from tests.support.environments import clean_environment
from tests.support.in_process import WorkingDirectory

DESCRIPTOR = 'host: {core: "0.0.4", inference: "0.58.0"}\n'
PLUGINS = {
    "first": ("my-package==1.0.0",),
    "second": ("my-package==1.1.0",),
}
"""The plugins of each release, in the order of their serials."""

OURS = (
    "attrs",
    "cffi",
    "click",
    "coral-lock",
    "cryptography",
    "installer",
    "jsonschema",
    "jsonschema-specifications",
    "packaging",
    "pip",
    "pycparser",
    "pyyaml",
    "referencing",
    "resolvelib",
    "rpds-py",
    "tomlkit",
    "typing-extensions",
)
"""coral-lock, what it requires, and what installs it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Releases:
    """Signed locks, the keyring of the devices, and an archive of all wheels."""

    directory: Path

    @classmethod
    def make(cls, directory: Path, wheelhouse: Path) -> Releases:
        WorkingDirectory(directory=directory).coral("keygen", "release").require(0)
        releases = cls(directory=directory)
        releases.keyring.mkdir()
        shutil.move(directory / "release.pub", releases.keyring)
        for serial, (name, requirements) in enumerate(PLUGINS.items(), 1):
            place = WorkingDirectory(directory=directory / name)
            wheels = place.directory / "wheels"
            wheels.mkdir(parents=True)
            for requirement in requirements:
                shutil.copy2(_wheel(wheelhouse, requirement), wheels)
            place.write("runtime.yaml", DESCRIPTOR)
            place.locked("-c", "runtime.yaml", "--wheels", "wheels")
            signing = ("sign", "--key", "../release.key", "--serial", str(serial))
            place.coral(*signing).require(0)
        with tarfile.open(releases.wheels, "w") as tar:
            for requirement in sorted(
                {*OURS, *(each for names in PLUGINS.values() for each in names)}
            ):
                wheel = _wheel(wheelhouse, requirement)
                tar.add(wheel, wheel.name)
        return releases

    @property
    def keyring(self) -> Path:
        return self.directory / "keyring"

    @property
    def wheels(self) -> Path:
        return self.directory / "wheels.tar"

    def lock(self, name: str) -> Path:
        return self.directory / name / "coral.lock"

    def id(self, name: str) -> str:
        """Return how the role calls a release."""
        return hashlib.sha256(self.lock(name).read_bytes()).hexdigest()[:16]

    def variables(self, name: str) -> dict[str, Any]:
        """Return the variables of the role for a release."""
        return {
            "runtime_lock": str(self.lock(name)),
            "runtime_signature": f"{self.lock(name)}.sig",
            "runtime_keyring": str(self.keyring),
            "runtime_wheels": str(self.wheels),
            "runtime_python": PYTHON,
        }


def _wheel(wheelhouse: Path, requirement: str) -> Path:
    wheel = find_wheel(wheelhouse, requirement)
    assert wheel is not None, requirement
    return wheel


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A host of the role, by its directory."""

    root: Path

    @property
    def variables(self) -> dict[str, Any]:
        return {
            "runtime_root": str(self.root),
            "runtime_trust_dir": str(self.root / "trust"),
            "runtime_state_dir": str(self.root / "state"),
        }

    def releases(self) -> list[str]:
        return sorted(os.listdir(self.root / "releases"))

    def links(self) -> dict[str, str]:
        """Return where the links of the host lead."""
        return {
            path.name: os.readlink(path).removeprefix("releases/")
            for path in self.root.iterdir()
            if path.is_symlink()
        }

    def accepted(self) -> tuple[str, str | None, str | None]:
        """Return which release is accepted, why although it is older, and which one beside it."""
        record = json.loads((self.root / "trust" / "accepted.json").read_text(encoding="utf-8"))
        accepted = record["channels"]["default"]["accepted"]
        previous = record["channels"]["default"]["previous"]
        beside = None if previous is None else previous["sha256"][:16]
        return accepted["sha256"][:16], accepted["rollback"], beside

    def start(self) -> int:
        """Start as the device does at its boot, and return the exit code."""
        finished = subprocess.run(
            (
                *("environment/bin/python", "-m", "coral_lock", "init", "--locked"),
                *("--accepted", "--trust-dir", self.root / "trust"),
                *("--state-dir", self.root / "state", "--device-id", self.root.name),
            ),
            cwd=self.root / "current",
            env=clean_environment(),
            capture_output=True,
            check=False,
        )
        return finished.returncode
