"""What is measured in an environment: bare Python, other loaders, and `coral-runtime`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.bench.processes import Program, output_of
from tests.bench.subject import Subject
from tests.bench.synthetic_site import LOADERS_GROUP, PLUGIN_COUNT, Site

BARE = "`python -c pass`"
ENTRY_POINTS = "`importlib.metadata.entry_points(group=…)`"
STEVEDORE = "stevedore, warm cache, nothing verified"
PLUGGY = "pluggy, nothing verified"
FLOOR = "floor: read the lock, hash the plugins' files"
PLUGINS_LIST = "`plugins list`"
LOCK = "`lock`"
LOCK_CHECK = "`lock --check`"
VERIFY = "`verify`"
FIRST_START = "`init --locked`, first start"
SECOND_START = "`init --locked`"

MEASURED = Path(__file__).parent / "measured"


def programs(subject: Subject, variables: Mapping[str, str]) -> list[Program]:
    """Return the programs to measure in an environment, after making the lock they need."""
    python = str(subject.environment.python)
    command = str(subject.environment.bin / "coral-runtime")
    directory = subject.directory
    listing = directory / "plugin_files"
    listing.write_text("".join(f"{path}\n" for path in subject.plugin_files), encoding="utf-8")
    written = directory / "written.lock"
    first_state, second_state = directory / "first-state", directory / "second-state"

    def program(name: str, *words: str) -> Program:
        return Program(name=name, words=words, directory=directory)

    def loader(name: str, file: str, *arguments: str) -> Program:
        return program(name, python, str(MEASURED / file), *arguments)

    output_of(program(LOCK, command, "lock"), variables)
    return [
        program(BARE, python, "-c", "pass"),
        program(
            ENTRY_POINTS,
            python,
            "-c",
            "from importlib.metadata import entry_points; "
            f"assert len(entry_points(group='{LOADERS_GROUP}')) == {PLUGIN_COUNT}",
        ),
        loader(STEVEDORE, "load_with_stevedore.py", LOADERS_GROUP, str(PLUGIN_COUNT)),
        loader(PLUGGY, "load_with_pluggy.py", LOADERS_GROUP, str(PLUGIN_COUNT)),
        loader(FLOOR, "floor.py", "coral.lock", listing.name),
        program(SECOND_START, command, "init", "--locked", "--state-dir", str(second_state)),
        Program(
            name=FIRST_START,
            words=(command, "init", "--locked", "--state-dir", str(first_state)),
            directory=directory,
            prepare=lambda: shutil.rmtree(first_state, ignore_errors=True),
        ),
        program(VERIFY, command, "verify"),
        program(PLUGINS_LIST, command, "plugins", "list"),
        program(LOCK_CHECK, command, "lock", "--check"),
        Program(
            name=LOCK,
            words=(command, "lock", "-o", written.name),
            directory=directory,
            prepare=lambda: written.unlink(missing_ok=True),
        ),
    ]


def measure_children(subject: Subject, *, runs: int, variables: Mapping[str, str]) -> float:
    """Return the median of the milliseconds that a child which imports nothing pays."""
    program = Program(
        name="children",
        words=(
            *(str(subject.environment.bin / "coral-runtime"), "run", "--locked", "--"),
            *("python", str(MEASURED / "start_children.py"), str(runs)),
        ),
        directory=subject.directory,
    )
    return median(map(float, output_of(program, variables).split()))


def measure_in_process(
    subjects: Sequence[Subject], *, runs: int, variables: Mapping[str, str]
) -> dict[Site, tuple[float, ...]]:
    """Return the milliseconds that `coral_lock.init` takes in fresh processes, imports done.

    The sites are the keys, and take turns.
    """
    starts = [_start_in_process(subject, variables) for subject in subjects]
    for _ in range(runs):
        for start in starts:
            output_of(start, variables)
    return {
        subject.site: tuple(map(float, _results(subject).read_text(encoding="utf-8").split()))
        for subject in subjects
    }


def _start_in_process(subject: Subject, variables: Mapping[str, str]) -> Program:
    """Return the program that is timed, after a first run that names the modules it needs."""
    words = (
        str(subject.environment.python),
        str(MEASURED / "start_in_process.py"),
        str(_results(subject)),
        "coral.lock",
        str(subject.directory / "in-process-state"),
    )
    start = Program(name="`coral_lock.init`", words=words, directory=subject.directory)
    modules = output_of(start, variables).split()
    _results(subject).unlink()
    return Program(name=start.name, words=(*words, *modules), directory=subject.directory)


def _results(subject: Subject) -> Path:
    return subject.directory / "in-process"
