"""Environments of several interpreters, looked at from outside and from inside."""

from __future__ import annotations

from pathlib import Path

import packaging

import coral_lock
from coral_lock.descriptor.load import load_descriptor
from coral_lock.finding import Finding
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.model import Lock
from coral_lock.locking.resolution import resolve, survey
from coral_lock.probe.interpreter import Interpreter
from tests.support.environments import Environment, run

OWN_LIBRARIES = [str(Path(str(package.__file__)).parents[1]) for package in (coral_lock, packaging)]
DISTRIBUTIONS = ("my-package==1.0.0", "acme-object", "coral-inference==0.0.4", "closure-a")
PLUGIN_SOURCE = "my_package/coral_plugins.py"


def inside(environment: Environment, program: str, *arguments: str | Path) -> str:
    """What a program prints that an environment's interpreter runs.

    coral-lock and packaging come last on its path, from where this process has them.
    """
    start = f"import sys; sys.path.extend({OWN_LIBRARIES!r})\n"
    done = run(environment, environment.python, "-I", "-c", start + program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lock_from_outside(interpreter: Interpreter) -> Lock:
    """The lock of an interpreter's environment, without a descriptor; nothing is probed."""
    surveyed = survey(
        EnvironmentInventory(interpreter.path, interpreter.markers),
        load_descriptor(None, settings=["host.inference=0.58.0"]),
    )
    lock, findings = resolve(surveyed)
    assert lock is not None, findings
    return lock


def codes(findings: tuple[Finding, ...]) -> list[str]:
    """The codes of findings, in their order."""
    return [finding.code for finding in findings]
