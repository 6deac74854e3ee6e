"""From a lock to the wheels that a wheelhouse lacks: pip downloads, the lock's digests decide."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from itertools import chain, starmap
from typing import Protocol

from packaging.version import Version

from coral_lock.canonical_json import join_path
from coral_lock.child_process import ChildEnd, run_child
from coral_lock.document.formats import is_version
from coral_lock.errors import InputError, UsageError, WriteError, quoted, shortened
from coral_lock.export.installation import distributions_for
from coral_lock.finding import Finding, sorted_findings
from coral_lock.inventory import Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import with_tags
from coral_lock.safe_files import place_durably
from coral_lock.targets.model import fits
from coral_lock.wheels.locked import LockedWheels, find_locked_wheels
from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse

_WHEEL_TAG = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+){2}")
_LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Wheels that are asked for together, as they have the same wheel tag.

    Args:
        distributions: what the lock pins, each with the digest of this wheel tag alone.
        tag: the wheel tag.
        python: the language version of a machine for which the wheels are, `3.11`.
    """

    distributions: tuple[LockedDistribution, ...]
    tag: str
    python: str

    @property
    def options(self) -> tuple[str, ...]:
        """How pip is asked for this tag, and for no other that fits the same machine.

        What the lock pins was found to fit, so `Requires-Python` isn't asked again: the lock
        doesn't know the patch release of the machine.
        """
        python, abi, platform = self.tag.split("-")
        implementation = python[:2] if python[:2] != "py" else "cp"
        return (
            "--only-binary=:all:",
            "--no-deps",
            "--ignore-requires-python",
            f"--python-version={self.python}",
            f"--implementation={implementation}",
            *(f"--abi={each}" for each in abi.split(".")),
            *(f"--platform={each}" for each in platform.split(".")),
        )

    @property
    def requirements(self) -> tuple[str, ...]:
        """The exact versions.

        `==1.0` would match `1.0+cpu` as well, which pip prefers; `===` matches texts, and those
        of pip are in the normal form (PEP 440).
        """
        return tuple(f"{each.name}==={Version(each.version)}" for each in self.distributions)

    def halves(self) -> tuple[Request, Request]:
        """Return two requests for the same wheels."""
        middle = len(self.distributions) // 2
        first, second = self.distributions[:middle], self.distributions[middle:]
        return replace(self, distributions=first), replace(self, distributions=second)

    def single(self) -> Iterator[Request]:
        """Yield a request for each of the wheels."""
        for each in self.distributions:
            yield replace(self, distributions=(each,))


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why nothing of a request was downloaded.

    Args:
        reason: what to tell people; it holds no address.
        is_general: whether every other request would fail as well.
    """

    reason: str
    is_general: bool = False


class Download(Protocol):
    """Downloads wheels."""

    def __call__(self, request: Request, directory: str) -> Failure | None:
        """Download all wheels of a request into an empty directory, or none of them.

        Raises:
            InputError: nothing can be downloaded in this way.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A distribution of the lock of which no wheel can be recognized, and why."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What became of the wheels that a lock pins.

    Args:
        present: how many of them were in the wheelhouse.
        fetched: the file names of those that were added, sorted.
        left_out: what the lock pins without digests, sorted by name.
        findings: what could not be downloaded, and what isn't what was locked.
    """

    present: int
    fetched: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    findings: tuple[Finding, ...]


def fetch_wheels(
    lock: Lock,
    directory: str,
    targets: Sequence[str],
    download: Download,
    reporter: Reporter | None = None,
) -> Fetched:
    """Add the wheels that a wheelhouse lacks.

    Each is compared with the lock in a directory of its own, and gets its name in the
    wheelhouse only if it is the one that was locked. Nothing there is overwritten. Where all are
    there, nothing is downloaded.

    Args:
        lock: the lock.
        directory: the wheelhouse, which is created where there is none.
        targets: the names of the targets that count; none for all.
        download: how wheels are downloaded.
        reporter: where progress goes.

    Raises:
        InputError: the lock has no such target, or wheels can't be downloaded.
        WriteError: the directory can't be written to.
    """
    chosen = _distributions(lock, targets)
    pinned = {each.name: each for each in chosen if each.digests}
    try:
        os.makedirs(directory, exist_ok=True)
        errand = _Errand(directory, download, reporter or Reporter())
        wheels, found = errand.look(tuple(pinned.values()))
        missing = [
            (pinned[each.subject], str(each.expected)) for each in found if _is_missing(each)
        ]
        impossible = [each for each in missing if not _is_possible(*each)]
        wanted = [each for each in missing if _is_possible(*each)]
        errand.run(_requests(lock, wanted, targets))
    except OSError as error:
        raise WriteError(
            f"wheels can't be put into `{directory}`: {error.strerror or error}",
            where=directory,
            hint="make room, or make it writable, and run the command again",
        ) from None
    there = [each for each in found if not _is_missing(each)]
    return Fetched(
        present=sum(map(len, wheels.values())),
        fetched=tuple(sorted(errand.fetched)),
        left_out=tuple(_left_out(lock, chosen)),
        findings=sorted_findings((*there, *starmap(_impossible, impossible), *errand.findings)),
    )


def _is_missing(finding: Finding) -> bool:
    """Whether a finding is that there is no wheel of a distribution with the expected tag."""
    return finding.code == "distribution-missing"


def _distributions(lock: Lock, targets: Sequence[str]) -> tuple[LockedDistribution, ...]:
    """Return what some targets need, with the digests of all the wheels that they need."""
    if not targets:
        return distributions_for(lock, None)
    tags: dict[str, set[str]] = {}
    for target in targets:
        for each in distributions_for(lock, target):
            tags.setdefault(each.name, set()).update(each.digests)
    return tuple(
        with_tags(each, tags[each.name]) for each in lock.distributions if each.name in tags
    )


def _left_out(lock: Lock, distributions: Sequence[LockedDistribution]) -> Iterator[LeftOut]:
    locked = {each.name for each in lock.distributions}
    unpinned = [
        (each.name, each.version, "the lock has no digest of it")
        for each in distributions
        if not each.digests
    ]
    hosts = [
        (each.distribution, each.version, "the lock has only its version")
        for each in lock.host.packages()
        if each.distribution not in locked
    ]
    for name, version, reason in sorted((*unpinned, *hosts)):
        yield LeftOut(name=name, version=version, reason=reason)


def _is_possible(distribution: LockedDistribution, tag: str) -> bool:
    """Whether there can be a wheel of a locked version with a locked wheel tag."""
    return is_version(distribution.version) and _WHEEL_TAG.fullmatch(tag) is not None


def _impossible(distribution: LockedDistribution, tag: str) -> Finding:
    return Finding(
        code="distribution-missing",
        subject=distribution.name,
        summary=f"no wheel of `{distribution.name}` can have the locked version and wheel tag",
        expected="a version (PEP 440) and a wheel tag (PEP 425)",
        found=f"{quoted(distribution.version)} and {quoted(tag)}",
        where=join_path("distributions", distribution.name),
        hint="find out who wrote the lock, and re-lock",
    )


def _requests(
    lock: Lock, wanted: Iterable[tuple[LockedDistribution, str]], targets: Sequence[str]
) -> list[Request]:
    """Return what to ask for, sorted: the wheels of one tag and one version of Python together."""
    together: dict[tuple[str, str], list[LockedDistribution]] = {}
    for distribution, tag in wanted:
        pythons = (
            target.language_version
            for target in lock.targets
            if target.name in (targets or (target.name,))
            and target.name in (distribution.targets or (target.name,))
            and fits(tag, target)
        )
        python = next(pythons, str(lock.host.python))
        together.setdefault((tag, python), []).append(with_tags(distribution, {tag}))
    return [
        Request(distributions=tuple(several), tag=tag, python=python)
        for (tag, python), several in sorted(together.items())
    ]


class _Errand:
    """What is downloaded, compared with the lock, and put into the wheelhouse.

    Attributes:
        fetched: the file names of the wheels that were added.
        findings: what could not be downloaded or isn't what was locked.
    """

    def __init__(self, directory: str, download: Download, reporter: Reporter) -> None:
        self._directory = directory
        self._download = download
        self._reporter = reporter
        self._cache = WheelCache()
        self.fetched: list[str] = []
        self.findings: list[Finding] = []

    def look(
        self, distributions: Sequence[LockedDistribution], directory: str | None = None
    ) -> tuple[LockedWheels, tuple[Finding, ...]]:
        """Return what `find_locked_wheels` does of a directory, by default of the wheelhouse."""
        places = (directory or self._directory,)
        wheelhouse = Wheelhouse(places, cache=self._cache, if_empty=None)
        return find_locked_wheels(distributions, wheelhouse, self._reporter)

    def run(self, requests: Iterable[Request]) -> None:
        """Download and add what is requested.

        pip downloads all that it is asked for or nothing. So what was asked for in vain is asked
        for again by halves, until each wheel that can't be had is known.
        """
        waiting = list(requests)
        total = sum(len(each.distributions) for each in waiting)
        while waiting:
            done = total - sum(len(each.distributions) for each in waiting)
            request = waiting.pop(0)
            names = ", ".join(each.name for each in request.distributions)
            self._reporter.downloading(names, done, total)
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self._directory) as place:
                failure = self._download(request, place)
                if failure is None:
                    self._add(request, place)
            if failure is None:
                continue
            if failure.is_general:
                lost = (*request.single(), *(one for each in waiting for one in each.single()))
                self.findings += (_missing(each, failure.reason) for each in lost)
                return
            if len(request.distributions) > 1:
                waiting[:0] = request.halves()
            else:
                self.findings.append(_missing(request, failure.reason))

    def _add(self, request: Request, place: str) -> None:
        """Put those downloaded wheels into the wheelhouse that are what was locked."""
        wheels, found = self.look(request.distributions, place)
        for _, wheel in chain.from_iterable(wheels.values()):
            place_durably(wheel.path, os.path.join(self._directory, wheel.file_name))
            self.fetched.append(wheel.file_name)
        single = {each.distributions[0].name: each for each in request.single()}
        for finding in found:
            if _is_missing(finding):
                alone = single[finding.subject]
                self.findings.append(_missing(alone, "only wheels with other wheel tags"))
            else:
                where = (finding.where or "").removeprefix(place + os.sep)
                self.findings.append(finding.replace(where=where or None))


def _missing(request: Request, reason: str) -> Finding:
    """Return the finding for a wheel that can't be had; the request is for it alone."""
    (distribution,), (requirement,) = request.distributions, request.requirements
    asked = shlex.join(("pip", "download", *request.options, requirement))
    return Finding(
        code="distribution-missing",
        subject=distribution.name,
        summary=f"the locked wheel of `{distribution.name}` {distribution.version} can't be "
        "downloaded",
        expected=request.tag,
        found=reason,
        where=join_path(join_path("distributions", distribution.name) + ".digests", request.tag),
        hint=f"name an index that has it in pip's configuration or behind `--`; `{asked}` asks for "
        "it alone",
    )


class Pip:
    """Downloads with the pip of this interpreter, in a process of its own.

    Indexes, proxies and credentials are those of the user's own configuration and environment.

    Args:
        arguments: further arguments of `pip download`, from the user.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = arguments

    def __call__(self, request: Request, directory: str) -> Failure | None:
        """Download all wheels of a request into an empty directory, or none of them.

        Raises:
            InputError: there is no pip, or it doesn't take the user's arguments.
        """
        try:
            end = run_child(
                (
                    *(sys.executable, _pip(), "download", *self._arguments),
                    *("--no-input", "--no-color", "--progress-bar=off"),
                    "--disable-pip-version-check",
                    *(*request.options, f"--dest={os.path.abspath(directory)}"),
                    *("--", *request.requirements),
                ),
                time_limit=float("inf"),
                environment=os.environ,
                directory=os.getcwd(),
                memory_limit=None,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"pip can't be run: {reason}", where=sys.executable) from None
        return None if end.ending is None else _failure(end)


def _pip() -> str:
    """Return the directory of pip, which Python runs without importing from where it was started.

    Raises:
        InputError: there is none.
    """
    # Nothing of it is imported here, where the import guard lets nothing else in.
    spec = PathFinder.find_spec("pip")
    if spec is None or spec.origin is None:
        raise InputError(
            "there is no pip to download with, and uv downloads no wheels of other machines",
            where=sys.executable,
            hint="add it to this environment with `python -m ensurepip`, `uv pip install pip` or "
            "`uv tool install --with pip coral-lock`",
        )
    return os.path.dirname(spec.origin)


_USAGE_ERROR = 2
_CONNECTION_LOST = "Retrying (Retry(total=0"
"""What pip warns of before its last attempt to reach an index."""


def _failure(end: ChildEnd) -> Failure:
    """Return why pip failed.

    Raises:
        UsageError: it doesn't know the user's arguments.
    """
    text = end.output.decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    said = [each for each in errors if each != "Exception:"] or lines or [end.ending or ""]
    reason = shortened(_without_places(said[-1]), _LONGEST_REASON)
    if end.exit_code == _USAGE_ERROR and lines[:1] and lines[0].startswith("Usage:"):
        raise UsageError(
            "pip doesn't take the arguments behind `--`",
            found=reason,
            hint="see `pip download --help`",
        )
    if _CONNECTION_LOST in text:
        return Failure(reason=f"an index can't be reached: {reason}", is_general=True)
    return Failure(reason=reason)


def _without_places(text: str) -> str:
    """Return a text without URLs and paths, which can hold passwords and tokens.

    Of a URL without credentials the scheme and the host are kept.
    """
    return re.sub(r"\S*[/@\\]\S*", _host_alone, text)


def _host_alone(word: re.Match[str]) -> str:
    url = re.search(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(?=/)", word[0])
    return f"{url[0]}/…" if url and "@" not in word[0] else "…"
