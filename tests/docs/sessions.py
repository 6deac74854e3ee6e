"""Running the console blocks of a page on real devices."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import uv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.docs.pages import Block
from tests.support.device import TIMEOUT_SECONDS, Device, make_device
from tests.support.environments import backends, install_with_uv
from tests.support.wheelhouse import GATEWAY, JETSON, fetch_target_wheels
from tests.support.wheels import build_wheels

DOCUMENTED_PLACE = "/opt/coral"
"""Where the documentation says that the environment and the working directory lie."""

DOCUMENTED_PYTHON = "3.11"

STABLE_DIGESTS = frozenset({"t1:81efhXpW63h+giO28oddyDIuj0TQcNKWXbd3c87w9SE="})
"""Digests of wheels that are published, and not built here: the documentation holds them."""

_ACCIDENTS = re.compile(r"error: (?:there is no descriptor|internal error)|Traceback \(most recent")
_PROMPT = "$ "
_CONTINUED = "> "
_SEPARATOR = "\x1e"
_DIGEST = re.compile(r"t1:[A-Za-z0-9+/]{43}=|sha256:[0-9a-f]{64}")
_DURATIONS = (
    re.compile(r'("duration_us": )[0-9]+'),
    re.compile(r'("sha256": )"[0-9a-f]{64}"'),
    re.compile(r'(sha256=)"[0-9a-f]{64}"'),
    re.compile(r"(coral_lock_report_timestamp_seconds )[0-9.e+]+"),
    re.compile(r'("(?:boot|started|finished)": )"[^"]*"'),
    re.compile(r'("(?:uptime_s|age_s)": )[0-9.]+'),
    re.compile(r'("python": )"3\.[0-9]+\.[0-9]+"'),
    re.compile(r'("platform": )"manylinux_[0-9_]+_[a-z0-9_]+"'),
    re.compile(r"()\b[0-9a-f]{10} [0-9]{4}-[0-9]{2}-[0-9]{2}(?= Ada: )"),
    re.compile(r"()(?<![:\w/+])[0-9a-f]{12}(?:[0-9a-f]{52})?(?![\w/+=])"),
    re.compile(r"(, )[0-9]+(?= s old)"),
    re.compile(r"(^[0-9]+ passed.* in )[0-9.]+(?=s$)"),
    re.compile(r"(?<=  |, )()[0-9.]+(?= (?:ms|MiB)\b)"),
)
"""What a report, pytest and `plugins check --run` measure, behind what stays the same.

The digest of a lock follows from those of the wheels that were built here, and so does a commit,
which has its time besides. Keys are made anew in each run, and so are their ids.
"""


class PageRunner:
    """Runs the blocks of one page in their order.

    Args:
        directory: where the devices are made.
        wheelhouse: what they install from.
    """

    def __init__(self, directory: Path, wheelhouse: Path) -> None:
        self._directory = directory
        self._wheelhouse = wheelhouse
        self._devices: dict[str, Device] = {}
        self._current: Device | None = None

    def run(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, tuple[str, ...]]]:
        """Yield each console block, and the lines that it really gives."""
        for block in blocks:
            self._prepare(block)
            if block.language == "console":
                yield block, self._transcript(block)

    def _prepare(self, block: Block) -> None:
        marker = block.marker
        if "session" in marker:
            self._enter(marker["session"], marker.get("install", "").split())
        if "wheels" in marker:
            self._fill_wheelhouse(marker["wheels"].split())
        if "file" in marker:
            path = self._device().directory / marker["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if "build" in marker:
            device = self._device()
            wheels = build_wheels((device.directory / marker["build"],), self._directory / "wheels")
            install_with_uv(
                device.environment, "--reinstall", *wheels, wheelhouse=device.wheelhouse
            )

    def _fill_wheelhouse(self, names: list[str]) -> None:
        """Copy the wheels of distributions, all of their versions unless one is named.

        Those with native code are for the targets of the examples, not for this machine.
        """
        target = self._device().directory / "wheelhouse"
        target.mkdir()
        elsewhere = [
            wheel
            for target in (GATEWAY, JETSON)
            for wheel in fetch_target_wheels(self._wheelhouse, target)
        ]
        pure = list(self._wheelhouse.glob("*-none-any.whl"))
        for name in names:
            requirement = Requirement(name)
            wheels = [
                wheel
                for wheel in sorted((*pure, *elsewhere))
                for found, version, _, _ in (parse_wheel_filename(wheel.name),)
                if found == canonicalize_name(requirement.name) and version in requirement.specifier
            ]
            assert wheels, f"the wheelhouse has no wheel of {name}"
            for wheel in wheels:
                shutil.copy2(wheel, target)

    def _enter(self, name: str, distributions: list[str]) -> None:
        if name not in self._devices:
            directory = self._directory / name
            self._devices[name] = make_device(directory, self._wheelhouse, *distributions)
        self._current = self._devices[name]

    def _device(self) -> Device:
        assert self._current is not None, "no `session` stands above this block"
        return self._current

    def _transcript(self, block: Block) -> tuple[str, ...]:
        commands = list(_commands(block))
        device = self._device()
        lines: list[str] = []
        for command, output in zip(commands, _run_shell(commands, device), strict=True):
            lines.extend(f"{_PROMPT}{command}".replace("\n", f"\n{_CONTINUED}").split("\n"))
            lines.extend(_as_documented(output, device).splitlines())
        return tuple(lines)


def _commands(block: Block) -> Iterator[str]:
    """Yield the commands of a block; the lines after the first are marked as a shell does."""
    command: str | None = None
    assert block.lines[0].startswith(_PROMPT), f"no command in line {block.first_line + 1}"
    for line in block.lines:
        if line.startswith(_PROMPT):
            if command is not None:
                yield command
            command, is_open = line.removeprefix(_PROMPT), True
        elif line.startswith(_CONTINUED) and is_open:
            command = f"{command}\n{line.removeprefix(_CONTINUED)}"
        else:
            is_open = False
    if command is not None:
        yield command


def _run_shell(commands: Iterable[str], device: Device) -> list[str]:
    """Run commands in one shell and return what each prints, on both streams."""
    script = "".join(
        f"{command}\n_code=$?; printf '{_SEPARATOR}'; (exit $_code)\n" for command in commands
    )
    tools = device.environment.root.with_name("tools")
    _write_uv(tools, device.wheelhouse)
    search_path = (device.environment.bin, tools, os.environ["PATH"])
    finished = subprocess.run(
        ("sh", "-c", script),
        cwd=device.directory,
        env=device.variables(
            {
                "PATH": os.pathsep.join(map(str, search_path)),
                "VIRTUAL_ENV": str(device.environment.root),
                "UV_FIND_LINKS": str(device.wheelhouse),
                "UV_OFFLINE": "1",
                "UV_NO_CACHE": "1",
                "UV_NO_CONFIG": "1",
                "UV_LINK_MODE": "copy",
            }
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return finished.stdout.decode().split(_SEPARATOR)[:-1]


def _write_uv(directory: Path, wheelhouse: Path) -> None:
    """Write a command `uv` that builds with back ends that are there, as other tests do."""
    directory.mkdir(exist_ok=True)
    program = directory / "uv"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH='{backends(wheelhouse)}' UV_NO_BUILD_ISOLATION=1"
        f" exec '{uv.find_uv_bin()}' \"$@\"\n",
        encoding="utf-8",
    )
    program.chmod(0o755)


def _as_documented(output: str, device: Device) -> str:
    """Return output as a machine prints it that lies where the documentation says."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        output.replace(str(device.environment.root.parent), DOCUMENTED_PLACE)
        .replace(f"python{version}/", f"python{DOCUMENTED_PYTHON}/")
        .replace(f'"python": "{version}"', f'"python": "{DOCUMENTED_PYTHON}"')
    )


def accidents_in(lines: Iterable[str]) -> list[str]:
    """Return the lines that no example means to show.

    They tell of a session that lacks a file, or of a fault of the tool.
    """
    return [line for line in lines if _ACCIDENTS.match(line)]


def _without_measurements(line: str) -> str:
    for measured in _DURATIONS:
        line = measured.sub(r"\g<1>0", line)
    return line


class Comparable:
    """Texts of one page without what differs between two runs of the same commands.

    What is measured is left out. The digests of wheels that are built here depend on the
    version of the build back end, so each is replaced by the number of its first appearance:
    that two are equal, or aren't, is compared.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def lines(self, lines: Iterable[str]) -> list[str]:
        return [_DIGEST.sub(self._number, _without_measurements(line)) for line in lines]

    def _number(self, match: re.Match[str]) -> str:
        digest = match.group()
        if digest in STABLE_DIGESTS:
            return digest
        kind = digest.partition(":")[0]
        return f"{kind}:{self._numbers.setdefault(digest, len(self._numbers) + 1)}"
