"""Measuring whole processes, in rounds, so that a drift of the machine hits all alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench import launcher

_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A command to measure.

    `prepare` is called before each run, unmeasured.
    """

    name: str
    words: tuple[str, ...]
    directory: Path
    prepare: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """The runs of a program: wall times in milliseconds, peak memory in MiB."""

    milliseconds: tuple[float, ...]
    peak_mib: tuple[float, ...]

    @property
    def median_milliseconds(self) -> float:
        return median(self.milliseconds)

    @property
    def median_peak_mib(self) -> float:
        return median(self.peak_mib)


class ProgramFailedError(Exception):
    """A program that is to be measured doesn't work."""


def measure(
    programs: Sequence[Program],
    *,
    runs: int,
    variables: Mapping[str, str],
    progress: Callable[[str], None],
) -> list[Measurement]:
    """Run every program once unmeasured, then all of them one after the other, `runs` times.

    Raises:
        ProgramFailedError: a program's exit code isn't 0.
    """
    for program in programs:
        _warm_up(program, variables)
    taken: list[list[tuple[int, int]]] = [[] for _ in programs]
    command = (sys.executable, "-I", "-S", launcher.__file__)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(runs):
            progress(f"round {number + 1} of {runs}")
            for program, samples in zip(programs, taken):
                program.prepare()
                request = launcher.SEPARATOR.join((str(program.directory), *program.words))
                process.stdin.write(f"{request}\n")
                process.stdin.flush()
                nanoseconds, kibibytes, code = map(int, process.stdout.readline().split())
                if code:
                    raise ProgramFailedError(f"{program.name}: exit code {code}")
                samples.append((nanoseconds, kibibytes))
        process.stdin.close()
    return [
        Measurement(
            milliseconds=tuple(nanoseconds / 1e6 for nanoseconds, _ in samples),
            peak_mib=tuple(kibibytes / 1024 for _, kibibytes in samples),
        )
        for samples in taken
    ]


def _warm_up(program: Program, variables: Mapping[str, str]) -> None:
    program.prepare()
    output_of(program, variables)


def output_of(program: Program, variables: Mapping[str, str]) -> str:
    """Run a program once, unmeasured, and return its standard output.

    Raises:
        ProgramFailedError: its exit code isn't 0.
    """
    done = subprocess.run(
        program.words,
        cwd=program.directory,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT_SECONDS,
    )
    if done.returncode:
        raise ProgramFailedError(
            f"{program.name}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done.stdout
