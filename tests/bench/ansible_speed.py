"""How many hosts a minute Ansible compares with their locks, and how many it merely reaches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.processes import ProgramFailedError
from tests.bench.subject import Subject
from tests.support.controller import MODULE, Controller

FORKS = (4, 20, 50)
PING = "ansible.builtin.ping"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnsibleSpeed:
    """Hosts a minute, by the number of forks."""

    hosts: int
    compared: Mapping[int, float]
    pinged: Mapping[int, float]


def measure_ansible(
    subject: Subject, root: Path, *, hosts: int, progress: Callable[[str], None]
) -> AnsibleSpeed:
    """Compare local hosts, which share the environment of a subject, with its lock.

    Args:
        subject: it has a lock already.
        root: a directory to work in, which is made.
        hosts: how many there are; half of them are pinged.
        progress: is told what goes on.

    Raises:
        ProgramFailedError: a host can't be compared.
    """
    root.mkdir()
    controller = Controller.make(root)
    options = {
        "lock": str(subject.directory / "coral.lock"),
        "python": str(subject.environment.python),
    }
    names = [f"host-{number}" for number in range(hosts)]
    compared, pinged = {}, {}
    for forks in FORKS:
        progress(f"comparing {hosts} hosts with {forks} forks")
        compared[forks] = _hosts_a_minute(controller, {MODULE: options}, names, forks)
        pinged[forks] = _hosts_a_minute(controller, {PING: {}}, names[: hosts // 2], forks)
    return AnsibleSpeed(hosts=hosts, compared=compared, pinged=pinged)


def _hosts_a_minute(
    controller: Controller, task: Mapping[str, Any], names: Sequence[str], forks: int
) -> float:
    started = time.monotonic()
    run = controller.play({"tasks": [dict(task)]}, {name: {} for name in names}, forks=forks)
    seconds = time.monotonic() - started
    if run.code or len(run.results) != len(names):
        raise ProgramFailedError(f"ansible-playbook: exit code {run.code}\n{run.output}")
    return 60 * len(names) / seconds
