"""A device as a test sees it: an environment, a working directory, and the command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.environments import (
    Environment,
    clean_environment,
    create_environment,
    install_with_pip,
    install_with_uv,
)
from tests.support.hints import wrong_hints
from tests.support.snapshots import Snapshot

TIMEOUT_SECONDS = 120
INSTALLERS = {"uv": install_with_uv, "pip": install_with_pip}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a command did."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)

    def require(self, code: int) -> Outcome:
        """Fail with everything that was printed unless the exit code is this."""
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.stdout}{self.stderr}"
        assert "Traceback" not in self.stderr, self.stderr
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    environment: Environment
    directory: Path
    wheelhouse: Path
    state: Path
    locks: dict[object, str] = field(default_factory=dict)
    """Locks of devices that are made alike, by what they were made from."""

    @property
    def site_packages(self) -> Path:
        return self.environment.site_packages

    @property
    def lock_path(self) -> Path:
        return self.directory / "coral.lock"

    def run(
        self, *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Outcome:
        """Run a program of the environment in the working directory."""
        program = self.environment.bin / words[0]
        finished = subprocess.run(
            (str(program), *map(str, words[1:])),
            cwd=cwd or self.directory,
            env=self.variables(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Outcome(
            code=finished.returncode,
            stdout=finished.stdout.decode(),
            stderr=finished.stderr.decode(),
        )

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment variables that the device's commands get."""
        own = {"XDG_STATE_HOME": str(self.state), "XDG_CACHE_HOME": str(self.state / "cache")}
        return clean_environment({**own, **(extra or {})})

    def coral(
        self, *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Outcome:
        """Run `coral-runtime`; no hint that it gives may name what it doesn't have."""
        outcome = self.run("coral-runtime", *words, env=env, cwd=cwd)
        assert wrong_hints(list(map(str, words)), outcome.stderr) == []
        return outcome

    def install(self, *names: str, installer: str = "uv", no_deps: bool = False) -> None:
        install = INSTALLERS[installer]
        install(self.environment, *names, wheelhouse=self.wheelhouse, no_deps=no_deps)

    def build(self, *words: str | Path, installer: str = "uv") -> None:
        """Install a project, or with `--editable` a link to it."""
        install = INSTALLERS[installer]
        install(self.environment, *map(str, words), wheelhouse=self.wheelhouse, builds=True)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def locked(self, *words: str | Path) -> str:
        """Lock, insist on success, and return the lock's text."""
        self.coral("lock", *words).require(0)
        return self.lock_path.read_text(encoding="utf-8")

    def locked_once(self, *words: str | Path, of: object = None) -> str:
        """Lock a new device, or give it the lock of one that had the same files.

        This is for tests of what comes after locking. `of` is what they installed before.
        """
        files = sorted((path.name, path.read_bytes()) for path in self.directory.iterdir())
        made_from = (words, of, *files)
        if made_from not in self.locks:
            self.locks[made_from] = self.locked(*words)
        self.lock_path.write_text(self.locks[made_from], encoding="utf-8")
        return self.locks[made_from]


@dataclass(kw_only=True, slots=True)
class _Lendable:
    """An environment, what it is without a test's distributions, and what it is with them."""

    environment: Environment
    installer: str
    bare: Snapshot
    whole: Snapshot
    distributions: tuple[str, ...] | None = None


class Environments:
    """Environments with coral-lock that tests borrow one after the other.

    To make one takes longer than most tests. It is lent again only if all its files are those
    that were installed; what a test added is removed. Once there are enough, the one that was
    given back the longest ago is made bare again for whoever needs other distributions.
    """

    ENOUGH = 3

    def __init__(self, root: Path, wheelhouse: Path) -> None:
        self._root = root
        self._wheelhouse = wheelhouse
        self._made = 0
        self._free: list[_Lendable] = []
        self._lent: dict[Path, _Lendable] = {}
        self._locks: dict[tuple[str, ...], dict[object, str]] = {}

    def device(self, directory: Path, *distributions: str, installer: str = "uv") -> Device:
        """Return a device in a new directory, whose environment is to be given back."""
        of_installer = [each for each in self._free if each.installer == installer]
        alike = [each for each in of_installer if each.distributions == distributions]
        if alike or len(of_installer) >= self.ENOUGH:
            lent = (alike or of_installer)[0]
            self._free.remove(lent)
        else:
            lent = self._make(installer)
        if lent.distributions != distributions:
            self._fill(lent, distributions)
        self._lent[lent.environment.root] = lent
        device = _device(directory, lent.environment, self._wheelhouse)
        return replace(device, locks=self._locks.setdefault((installer, *distributions), {}))

    def _make(self, installer: str) -> _Lendable:
        self._made += 1
        environment = create_environment(self._root / f"environment-{self._made}")
        _install(environment, self._wheelhouse, installer="uv")
        bare = Snapshot(environment.root, self._root / f"copy-{self._made}")
        return _Lendable(environment=environment, installer=installer, bare=bare, whole=bare)

    def _fill(self, lent: _Lendable, distributions: tuple[str, ...]) -> None:
        lent.bare.restore()
        if distributions:
            install = INSTALLERS[lent.installer]
            install(lent.environment, *distributions, wheelhouse=self._wheelhouse)
        lent.distributions, lent.whole = distributions, Snapshot(lent.environment.root)

    def give_back(self, environment: Environment) -> None:
        lent = self._lent.pop(environment.root)
        if not lent.whole.restore():
            lent.distributions = None
        self._free.append(lent)


def make_device(
    directory: Path, wheelhouse: Path, *distributions: str, installer: str = "uv"
) -> Device:
    """Create an environment with coral-lock and the named distributions in a new directory."""
    environment = create_environment(directory / "environment")
    _install(environment, wheelhouse, *distributions, installer=installer)
    return _device(directory, environment, wheelhouse)


def _device(directory: Path, environment: Environment, wheelhouse: Path) -> Device:
    (directory / "work").mkdir(parents=True)
    return Device(
        environment=environment,
        directory=directory / "work",
        wheelhouse=wheelhouse,
        state=directory / "state",
    )


def _install(
    environment: Environment, wheelhouse: Path, *distributions: str, installer: str
) -> None:
    install = INSTALLERS[installer]
    install(environment, "coral-lock", *distributions, wheelhouse=wheelhouse)
