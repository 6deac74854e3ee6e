"""Measure start-up, listing, locking and hashing, and print the outcome as Markdown.

The exit code is 0 whether or not the targets are met, as no machine is like another; it
is 1 if something that is measured doesn't run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.ansible_speed import AnsibleSpeed, measure_ansible
from tests.bench.closure import ClosureSpeed, measure_closure
from tests.bench.diff_speed import measure_diff
from tests.bench.digest_speed import DigestSpeed, measure_digests
from tests.bench.fleet_speed import FleetSpeed, measure_fleet
from tests.bench.processes import ProgramFailedError, measure
from tests.bench.programs import measure_children, measure_in_process, programs
from tests.bench.subject import LOADERS, Subject, has_loader_cache, make_subjects, variables
from tests.bench.synthetic_site import PLUGIN_COUNT, Site
from tests.bench.tables import (
    ansible_table,
    closure_table,
    digest_table,
    fleet_table,
    site_table,
    target_table,
    wheelhouse_table,
)
from tests.bench.targets import (
    SITES,
    Measurements,
    Target,
    closure_targets,
    diff_target,
    fleet_targets,
    targets,
    wheelhouse_targets,
)
from tests.bench.wheelhouse_speed import WheelhouseSpeed, measure_wheelhouse
from tests.support.controller import HAS_ANSIBLE
from tests.support.wheelhouse import REPOSITORY

RUNS = 41
QUICK_RUNS = 9
HOSTS = 100
QUICK_HOSTS = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs, not {RUNS}")
    parser.add_argument(
        "--no-wheelhouse", action="store_true", help="don't download and lock the real host"
    )
    parser.add_argument("--no-ansible", action="store_true", help="don't compare hosts by Ansible")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw numbers to FILE")
    arguments = parser.parse_args()
    runs = QUICK_RUNS if arguments.quick else RUNS
    hosts = QUICK_HOSTS if arguments.quick else HOSTS
    # Not the system's temporary directory: stevedore works without its cache below /tmp.
    parent = REPOSITORY / ".cache"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory:
        try:
            _bench(
                Path(directory),
                runs,
                arguments.json,
                has_wheelhouse=not arguments.no_wheelhouse,
                hosts=0 if arguments.no_ansible or not HAS_ANSIBLE else hosts,
            )
        except ProgramFailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def _bench(
    root: Path, runs: int, json_file: Path | None, *, has_wheelhouse: bool, hosts: int
) -> None:
    environment = variables(root)
    subjects = make_subjects(root, SITES, _progress)
    by_site = _measure_processes(subjects, root, runs)
    _progress("measuring in process")
    in_process = measure_in_process(subjects, runs=runs, variables=environment)
    _progress("hashing")
    digests = measure_digests(
        subjects[0].environment, root / "files", rounds=min(runs, 15), variables=environment
    )
    child = measure_children(subjects[0], runs=runs, variables=environment)
    outcome = list(targets(by_site, in_process, digests, child))
    closure = measure_closure(
        root / "closure", runs=min(runs, 15), variables=environment, progress=_progress
    )
    outcome.extend(closure_targets(closure))
    _progress("comparing locks")
    diff = measure_diff(
        subjects[0].environment, root / "locks", runs=min(runs, 15), variables=environment
    )
    outcome.append(diff_target(diff))
    ansible = None
    if hosts:
        ansible = measure_ansible(subjects[0], root / "ansible", hosts=hosts, progress=_progress)
    fleet = measure_fleet(
        subjects[0].environment, root / "fleet", variables=environment, progress=_progress
    )
    outcome.extend(fleet_targets(fleet))
    wheelhouse = None
    if has_wheelhouse:
        wheelhouse = measure_wheelhouse(
            subjects[0].environment, root / "wheels", environment, _progress
        )
        outcome.extend(wheelhouse_targets(wheelhouse))
    _progress("")
    _print_outcome(runs, by_site, digests, closure, ansible, fleet, wheelhouse, outcome)
    if not has_loader_cache(root):
        print("\nThe cache of stevedore stayed empty: it works without one below /tmp.")
    if json_file is not None:
        document: dict[str, Any] = {
            "processes": {
                str(site): {name: asdict(measured) for name, measured in measurements.items()}
                for site, measurements in by_site.items()
            },
            "in_process_milliseconds": {str(site): runs for site, runs in in_process.items()},
            "digests": [asdict(digest) for digest in digests],
            "closure": asdict(closure),
            "diff": asdict(diff),
            "ansible": None if ansible is None else asdict(ansible),
            "fleet": asdict(fleet),
            "wheelhouse": None if wheelhouse is None else asdict(wheelhouse),
            "targets": [{**asdict(target), "is_met": target.is_met} for target in outcome],
        }
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _measure_processes(subjects: list[Subject], root: Path, runs: int) -> dict[Site, Measurements]:
    environment = variables(root)
    planned = [
        (subject, program) for subject in subjects for program in programs(subject, environment)
    ]
    measured = measure(
        [program for _, program in planned], runs=runs, variables=environment, progress=_progress
    )
    by_site: dict[Site, Measurements] = {}
    for subject in subjects:
        by_site[subject.site] = {
            program.name: measurement
            for (owner, program), measurement in zip(planned, measured)
            if owner is subject
        }
    return by_site


def _print_outcome(
    runs: int,
    by_site: dict[Site, Measurements],
    digests: list[DigestSpeed],
    closure: ClosureSpeed,
    ansible: AnsibleSpeed | None,
    fleet: FleetSpeed,
    wheelhouse: WheelhouseSpeed | None,
    outcome: list[Target],
) -> None:
    loaders = ", ".join(f"{name} {version(name)}" for name in LOADERS)
    print(
        f"{PLUGIN_COUNT} plugins, medians of {runs} runs; Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}; {loaders}.\n"
    )
    for site, measurements in by_site.items():
        print(f"{site_table(site, measurements)}\n")
    print(f"{digest_table(digests)}\n")
    print(f"{closure_table(closure)}\n")
    if ansible is not None:
        print(f"{ansible_table(ansible)}\n")
    print(f"{fleet_table(fleet)}\n")
    if wheelhouse is not None:
        print(f"{wheelhouse_table(wheelhouse)}\n")
    print(target_table(outcome))
    missed = sum(not target.is_met for target in outcome)
    print(f"\n{len(outcome) - missed} of {len(outcome)} targets met, {missed} missed.")


def _progress(text: str) -> None:
    """Say what goes on, where someone watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[2K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
