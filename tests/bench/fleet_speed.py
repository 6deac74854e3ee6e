"""How long it takes to summarize the reports of a large fleet, and how much memory."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.processes import Measurement, Program, measure
from tests.support.device_reports import device_report
from tests.support.environments import Environment

DEVICES = 100_000
PLUGINS = 4
RUNS = 3
_FILES_IN_A_DIRECTORY = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetSpeed:
    """What was measured, by what the reports are in; `report_bytes` is what they come to."""

    programs: Mapping[str, Measurement]
    report_bytes: int


def measure_fleet(
    environment: Environment,
    root: Path,
    *,
    variables: Mapping[str, str],
    progress: Callable[[str], None],
) -> FleetSpeed:
    """Measure `fleet summarize` as a whole process, with an inventory and 100,000 reports.

    The reports are of as many devices, each with four plugins, once in one file of lines and once
    in files of their own.

    Args:
        environment: where coral-lock is installed.
        root: where the reports are written.
        variables: the environment variables.
        progress: is told what goes on.
    """
    progress(f"writing {DEVICES:,} reports twice")
    root.mkdir(parents=True)
    report_bytes = _write_reports(root)
    programs = [
        Program(
            name=f"`fleet summarize`, {DEVICES:,} reports in {place}",
            words=(
                *(str(environment.bin / "coral-runtime"), "fleet", "summarize", path),
                *("--inventory", "hosts.txt", "--now", "2026-11-26T12:00:00Z"),
            ),
            directory=root,
        )
        for place, path in (("one file", "reports.ndjson"), ("files of their own", "reports"))
    ]
    measured = measure(programs, runs=RUNS, variables=variables, progress=progress)
    shutil.rmtree(root)
    return FleetSpeed(
        programs={program.name: each for program, each in zip(programs, measured)},
        report_bytes=report_bytes,
    )


def _write_reports(root: Path) -> int:
    template: dict[str, Any] = device_report()
    (plugin,) = template["plugins"]
    template["plugins"] = [{**plugin, "id": f"patches:p{number}"} for number in range(PLUGINS)]
    hosts = []
    with open(root / "reports.ndjson", "wb") as lines:
        for number in range(DEVICES):
            report = copy.deepcopy(template)
            hosts.append(f"edge-{number:06}")
            report["device"], report["sequence"] = hosts[-1], number % 1_000 + 1
            report["boot"] = f"7d9f2c1e-0000-4000-8000-{number:012}"
            report["uptime_s"] = 500 + number / 7
            text = json.dumps(report, separators=(",", ":"), sort_keys=True).encode() + b"\n"
            lines.write(text)
            directory = root / "reports" / str(number // _FILES_IN_A_DIRECTORY)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / f"{hosts[-1]}.json").write_bytes(text)
        size = lines.tell()
    (root / "hosts.txt").write_text("".join(f"{host}\n" for host in hosts))
    return size
