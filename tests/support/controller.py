"""A controller with the real Ansible and our collection, as a test sees it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.device import Outcome
from tests.support.environments import clean_environment
from tests.support.wheelhouse import REPOSITORY

COLLECTION = REPOSITORY / "ansible"
MODULE = "coral.runtime.coral_lock"
ROLE = "coral.runtime.runtime"
HAS_ANSIBLE = importlib.util.find_spec("ansible.cli") is not None
WHY_NOT = "ansible-core isn't installed: no version for this Python goes along with resolvelib 1.1"
PYTHON = os.path.realpath(sys.executable)
"""What runs modules, and what environments are made from."""

_PLUGINS = Path(__file__).with_name("ansible_plugins")
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one task came to on one host."""

    host: str
    task: str
    action: str
    status: str
    result: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What `ansible-playbook` did."""

    code: int
    output: str
    results: tuple[Result, ...]

    def require(self, code: int) -> Run:
        """Fail with everything that was printed unless the exit code is this."""
        failed = [each for each in self.results if each.status in ("failed", "unreachable")]
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.output}\n{failed}"
        return self

    def of(self, action: str) -> dict[str, Result]:
        """Return the last result of an action on each host."""
        return {each.host: each for each in self.results if each.action == action}

    def changed(self) -> list[tuple[str, str]]:
        """Return which tasks changed which hosts."""
        return [
            (each.host, each.task.partition(" : ")[2])
            for each in self.results
            if each.status == "ok" and each.result.get("changed")
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Controller:
    """Ansible in a directory of its own, with the collection installed from its archive."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Controller:
        """Build the collection and install it, without a network."""
        controller = cls(directory=directory)
        controller.settings.write_text("", encoding="utf-8")
        built = controller.directory / "built"
        controller.galaxy("build", "--output-path", str(built), str(COLLECTION))
        (archive,) = built.glob("coral-runtime-*.tar.gz")
        collections = controller.directory / "collections"
        controller.galaxy("install", "--offline", "-p", str(collections), str(archive))
        return controller

    @property
    def settings(self) -> Path:
        """The configuration of Ansible, so that it is nobody else's."""
        return self.directory / "ansible.cfg"

    @property
    def collection(self) -> Path:
        return self.directory / "collections" / "ansible_collections" / "coral" / "runtime"

    def command(self, *words: str, env: Mapping[str, str] | None = None) -> Outcome:
        """Run a command of Ansible."""
        name, *arguments = words
        finished = subprocess.run(
            (sys.executable, str(Path(sys.executable).with_name(name)), *arguments),
            cwd=self.directory,
            env=clean_environment({**self._variables, **(env or {})}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return Outcome(code=finished.returncode, stdout=finished.stdout, stderr=finished.stderr)

    def galaxy(self, *words: str) -> None:
        self.command("ansible-galaxy", "collection", *words).require(0)

    def play(
        self,
        play: Mapping[str, Any],
        hosts: Mapping[str, Mapping[str, Any]],
        *options: str,
        forks: int = 4,
    ) -> Run:
        """Run a play on hosts with these variables, local ones unless they say otherwise."""
        shared = {"ansible_connection": "local", "ansible_python_interpreter": PYTHON}
        inventory = {"all": {"hosts": dict(hosts), "vars": shared}}
        whole = {"hosts": "all", "gather_facts": False, **play}
        for name, content in (("inventory.yml", inventory), ("play.yml", [whole])):
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            (self.directory / name).write_text(text, encoding="utf-8")
        recorded = self.directory / "results"
        recorded.write_text("", encoding="utf-8")
        words = ("ansible-playbook", "-i", "inventory.yml", "-f", str(forks), "play.yml", *options)
        outcome = self.command(*words, env={"RECORDED_RESULTS": str(recorded)})
        lines = recorded.read_text(encoding="utf-8").splitlines()
        return Run(
            code=outcome.code,
            output=outcome.stdout + outcome.stderr,
            results=tuple(Result(**json.loads(line)) for line in lines),
        )

    @property
    def _variables(self) -> dict[str, str]:
        home = self.directory / "home"
        return {
            "ANSIBLE_CALLBACK_PLUGINS": str(_PLUGINS / "callback"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"),
            "ANSIBLE_CONNECTION_PLUGINS": str(_PLUGINS / "connection"),
            "ANSIBLE_CONFIG": str(self.settings),
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_STDOUT_CALLBACK": "recorded",
            "LC_ALL": "C.UTF-8",
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
        }
