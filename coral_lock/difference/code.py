"""What changed in the files of a distribution: which, how, and what its code newly reaches for.

Files and their hashes come from outside, proved there. What is read of them is bounded: a
distribution that nobody has reviewed may be made to take hours.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import SequenceMatcher

from coral_lock.canonical_json import Value
from coral_lock.difference.assessment import review_order
from coral_lock.difference.capabilities import CAPABILITIES, Use, uses_in
from coral_lock.difference.model import RISKS, Change, literal
from coral_lock.errors import CoralLockError, abridged, shortened
from coral_lock.static.source import MAX_SOURCE, NotEvaluableError

MAX_FILES = 200
"""How many files of a distribution are named; the rest is counted."""

MAX_USES = 100
MAX_LINES = 60
"""How many lines of a file's text diff are kept; the rest is counted."""

MAX_LINES_OF_ALL = 1000
"""How many are kept in all."""

_MAX_LINES_OF_DISTRIBUTION = 300
_MAX_SOURCES = 16 << 20
"""How many bytes of sources are parsed in all, some twenty seconds."""

_MAX_COMPARISONS = 500_000_000
"""How many steps all text diffs may take together, a file's a tenth of them."""

_MAX_NAMED = 3
_MAX_VALUES = 20
_LONGEST_NAME = 100
_CONTEXT = 3
_LONGEST_LINE = 200

_NATIVE = re.compile(r"\.(?:so(?:\.[0-9.]+)?|pyd|dll|dylib)\Z")
_STARTUP = re.compile(r"(?:[^/]+\.pth|(?:site|user)customize[./].*)\Z")
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA\Z")
_ENTRY_POINTS = re.compile(r"[^/]+\.dist-info/entry_points\.txt\Z")
_DIST_INFO = re.compile(r"\A[^/]+\.dist-info/")
_SCRIPTS = "scripts/"
_TESTS = frozenset({"test", "tests"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeSide:
    """The files of a distribution on one side, which are those of the lock.

    Attributes:
        files: the SHA-256 of each file in hexadecimal, by its path under the site root.
        outside: that of scripts, headers and data, as `installed.outside` names them.
        commands: the console and GUI scripts that installers generate.
        read: returns the content of one of the `files`; it raises a `CoralLockError` that says
            why it can't be had, e.g. as it is too large.
    """

    files: Mapping[str, str]
    outside: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    read: Callable[[str], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """A file that is on one side only, or has other bytes.

    Attributes:
        path: its path.
        kind: `added`, `removed` or `changed`.
        lines: the text diff, the first `MAX_LINES` lines: each begins with `@@`, a space, `-`
            or `+` as in the unified format, and may be cut, which its end says.
        more_lines: how many follow.
        problem: why there is no text diff where there could be one, or why what the file
            newly uses isn't known, as a phrase; else None.
    """

    path: str
    kind: str
    lines: tuple[str, ...] = ()
    more_lines: int = 0
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DistributionCode:
    """What changed in the files of a distribution.

    Attributes:
        distribution: its normalized name.
        old_version: the version before, None for a distribution that is new.
        new_version: the version after.
        files: the files, at most `MAX_FILES`, sorted by path, those of tests last.
        more_files: how many others there are.
        uses: what its code newly uses, at most `MAX_USES`, the most telling first. Each name
            has its first place before any has its second one.
        more_uses: how many others there are.
        commands: the commands that it newly puts on the path, sorted.
        unseen: why some or all of its files weren't compared, as sentences without a full stop.
    """

    distribution: str
    old_version: str | None
    new_version: str
    files: tuple[FileChange, ...] = ()
    more_files: int = 0
    uses: tuple[Use, ...] = ()
    more_uses: int = 0
    commands: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def count(self, kind: str) -> int:
        """Return how many of the named files are of a kind."""
        return sum(each.kind == kind for each in self.files)

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object, whose members are the attributes."""
        return asdict(self)


class CodeComparison:
    """Compares the files of distributions, one after the other, within what a run may cost."""

    def __init__(self) -> None:
        self._sources = _MAX_SOURCES
        self._comparisons = _MAX_COMPARISONS
        self._lines_of_all = MAX_LINES_OF_ALL
        self._lines = 0

    def compare(
        self,
        distribution: str,
        old_version: str | None,
        new_version: str,
        sides: Sequence[tuple[CodeSide | None, CodeSide]],
        unseen: Iterable[str] = (),
    ) -> tuple[DistributionCode, tuple[Change, ...]]:
        """Return what changed in a distribution, and its risks as changes.

        Args:
            distribution: its normalized name.
            old_version: the version before, None for a distribution that is new.
            new_version: the version after.
            sides: its files before and after, for each wheel that changed; None before for a
                distribution that is new. What wheels have in common is told once.
            unseen: why others couldn't be compared.
        """
        self._lines = min(_MAX_LINES_OF_DISTRIBUTION, self._lines_of_all)
        files: dict[tuple[_Place | None, _Place | None], FileChange] = {}
        used: Counter[tuple[str, str, str]] = Counter()
        found: list[Use] = []
        commands: set[str] = set()
        for old, new in sides:
            commands |= {*new.commands} - {*(old.commands if old else ())}
            for before, after in _different(old, new):
                if (before, after) in files:
                    continue
                place = after or before
                assert place is not None
                contents = [_content(*each) for each in ((old, before), (new, after))]
                problem = self._count_uses(place[0], contents, used, found)
                kind = "added" if before is None else "removed" if after is None else "changed"
                change = FileChange(path=place[0], kind=kind, problem=problem)
                files[before, after] = self._with_text(change, contents)
        uses = []
        for each in found:
            key = each.capability, each.name, each.text
            # What went from one file to another is none of the new ones.
            if used[key] > 0:
                used[key] -= 1
            else:
                uses.append(each)
        uses = _by_weight(uses)
        ordered = sorted(files.values(), key=lambda each: (*_path_order(each.path), each.kind))
        code = DistributionCode(
            distribution=distribution,
            old_version=old_version,
            new_version=new_version,
            files=tuple(ordered[:MAX_FILES]),
            more_files=max(0, len(ordered) - MAX_FILES),
            uses=tuple(uses[:MAX_USES]),
            more_uses=max(0, len(uses) - MAX_USES),
            commands=tuple(sorted(commands)),
            unseen=tuple(unseen),
        )
        was_native = any(old and any(map(_NATIVE.search, old.files)) for old, _ in sides)
        return code, tuple(_risky(code, ordered, uses, was_native))

    def _count_uses(
        self,
        path: str,
        contents: Sequence[bytes | str | None],
        used: Counter[tuple[str, str, str]],
        found: list[Use],
    ) -> str | None:
        """Add what both sides of a file use; return why it isn't known of the new one."""
        if path.endswith((".pyc", ".pyo")):
            return "is bytecode without a source"
        if path.startswith(_SCRIPTS):
            return "is a script, which isn't looked into"
        if not path.endswith((".py", ".pyw")):
            return None
        before, after = contents
        if isinstance(before, bytes):
            _, uses = self._uses(before, path)
            used.update((use.capability, use.name, use.text) for use in uses)
        if isinstance(after, bytes):
            problem, uses = self._uses(after, path)
            found += uses
            return problem
        return after

    def _uses(self, source: bytes, path: str) -> tuple[str | None, tuple[Use, ...]]:
        if len(source) <= MAX_SOURCE:
            # Up to Python 3.11 the time for a formatted string grows with the square of its fields.
            cost = len(source) + source.count(b"{") * len(source) // 2000
            if cost > self._sources:
                return "isn't looked into, as there is too much code before it", ()
            self._sources -= cost
        try:
            return None, uses_in(source, path)
        except NotEvaluableError as error:
            return f"isn't looked into: {error.reason}", ()

    def _with_text(self, change: FileChange, contents: Sequence[bytes | str | None]) -> FileChange:
        """Return the change of a file with its text diff, if its text is for people."""
        if not is_shown(change.path) or change.kind == "removed":
            return change
        texts: list[list[str]] = []
        for content in contents:
            if isinstance(content, str):
                return replace(change, problem=change.problem or content)
            texts.append(_lines_of(content or b"", change.path))
        before, after = texts
        cost = steps_of(before, after)
        if cost > min(self._comparisons, _MAX_COMPARISONS // 10):
            reason = "has too many changed lines for a text diff"
            return replace(change, problem=change.problem or reason)
        self._comparisons -= cost
        lines = list(hunks_of(before, after))
        shown = lines[: min(MAX_LINES, self._lines)]
        self._lines -= len(shown)
        self._lines_of_all -= len(shown)
        return replace(change, lines=tuple(shown), more_lines=len(lines) - len(shown))


def is_shown(path: str) -> bool:
    """Whether the text of a file is shown: Python, what runs at every start, the manifest of
    plugins, and of the metadata the entry points and requirements."""
    return (
        path.endswith((".py", ".pyw", ".pth", "/coral_plugin.yaml"))
        or bool(_ENTRY_POINTS.match(path))
        or bool(_METADATA.match(path))
    )


def code_changes(found: Iterable[Change], changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes of the locks with those of the code among them, sorted for review."""
    via = {change.distribution: (change.via, change.via_count) for change in changes if change.via}
    placed = []
    for change in found:
        names, count = via.get(change.distribution, ((), 0))
        placed.append(change.replace(via=names, via_count=count))
    return tuple(sorted((*changes, *placed), key=review_order))


_Place = tuple[str, str]
"""The path of a file on one side, and its SHA-256."""


def _different(
    old: CodeSide | None, new: CodeSide
) -> Iterator[tuple[_Place | None, _Place | None]]:
    """Yield where each file is that isn't the same on both sides.

    The dist-info directory has the version in its name, which makes no other file of it.
    """
    sides = []
    for side in (old, new):
        files = {} if side is None else {**side.files, **side.outside}
        sides.append({_DIST_INFO.sub(".dist-info/", path): (path, files[path]) for path in files})
    before, after = sides
    for path in sorted({*before, *after}, key=_path_order):
        was, now = before.get(path), after.get(path)
        if was is None or now is None or was[1] != now[1]:
            yield was, now


def _path_order(path: str) -> tuple[bool, str]:
    """Return the key that sorts paths; tests come last, as few programs import them."""
    return not _TESTS.isdisjoint(path.split("/")[:-1]), path


def _by_weight(uses: Sequence[Use]) -> list[Use]:
    """Return uses in an order in which a few of them say most."""
    ranks = {capability: rank for rank, capability in enumerate(CAPABILITIES)}
    placed = sorted(uses, key=lambda each: (*_path_order(each.path), each.line, each.name))
    seen: set[tuple[str, str]] = set()
    keyed: list[tuple[bool, int, Use]] = []
    for each in placed:
        name = each.capability, each.name
        keyed.append((name in seen, ranks[each.capability], each))
        seen.add(name)
    return [each for *_, each in sorted(keyed, key=lambda key: key[:2])]


def _content(side: CodeSide | None, place: _Place | None) -> bytes | str | None:
    """Return the content of a file, why it can't be had, or None where there is no need of it."""
    if side is None or place is None or place[0] not in side.files or not is_shown(place[0]):
        return None
    path, digest = place
    try:
        content = side.read(path)
    except CoralLockError as error:
        return f"can't be read: {error.message}"
    if hashlib.sha256(content).hexdigest() != digest:
        return "isn't the file that was verified"
    return content


def _lines_of(content: bytes, path: str) -> list[str]:
    text = content.decode("utf-8", "replace")
    if _METADATA.match(path):
        header = text.replace("\r\n", "\n").partition("\n\n")[0]
        fields = header.replace("\n ", " ").split("\n")
        return sorted(line for line in fields if line.lower().startswith("requires-"))
    return text.removesuffix("\n").split("\n") if text else []


def _risky(
    code: DistributionCode,
    files: Sequence[FileChange],
    uses: Sequence[Use],
    was_native: bool,
) -> Iterator[Change]:
    """Yield what deserves a look as changes."""

    def change(kind: str, summary: str, risk: str, after: Sequence[str]) -> Change:
        return Change(
            code=kind,
            subject=code.distribution,
            summary=f"{literal(code.distribution)} {summary}",
            place=("distributions", code.distribution),
            distribution=code.distribution,
            after=list(after[:_MAX_VALUES]),
            risks=(RISKS[risk],),
        )

    kept = [each for each in files if each.kind != "removed"]
    startup = [each.path for each in kept if _STARTUP.match(each.path)]
    if startup:
        yield change(
            "startup-file", f"runs {_named(startup)} at every start", "startup-file", startup
        )
    if uses:
        names = list(dict.fromkeys(each.name for each in uses))
        places = [f"{each.path}:{each.line} {each.name}" for each in uses]
        yield change("code-suspicious", f"newly uses {_named(names)}", "suspicious-code", places)
    opaque = [f"{each.path} {each.problem}" for each in kept if each.problem]
    if opaque:
        paths = [each.path for each in kept if each.problem]
        summary = f"has code that isn't compared: {_named(paths)}"
        yield change("code-opaque", summary, "unseen-code", opaque)
    native = [each.path for each in kept if each.kind == "added" and _NATIVE.search(each.path)]
    if native and code.old_version is not None and not was_native:
        yield change(
            "native-code-added", f"has native code: {_named(native)}", "native-wheel", native
        )
    scripts = [
        each.path.removeprefix(_SCRIPTS)
        for each in kept
        if each.kind == "added" and each.path.startswith(_SCRIPTS)
    ]
    if commands := sorted({*code.commands, *scripts}):
        yield change(
            "command-added", f"has the commands {_named(commands)}", "new-command", commands
        )
    if code.unseen:
        yield change("code-unseen", "isn't compared", "unseen-code", code.unseen)


def _named(names: Sequence[str]) -> str:
    return abridged([literal(shortened(name, _LONGEST_NAME)) for name in names], _MAX_NAMED)


# Lines before and after → the hunks of a unified diff, and what it takes to find them.


def steps_of(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many steps `SequenceMatcher` takes at the most."""
    _, old, new = _trimmed(before, after)
    counts = Counter(new)
    popular = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    pairs = sum(count for line in old if (count := counts[line]) <= popular)
    return len(old) + len(new) + pairs * min(len(old), len(new))


def hunks_of(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield the hunks of a unified diff (GNU diffutils), without the lines that name files."""
    first, old, new = _trimmed(before, after)
    if old == new:
        return
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT):
        _, old_start, _, new_start, _ = group[0]
        _, _, old_end, _, new_end = group[-1]
        ranges = (
            _range_of(first + old_start, first + old_end),
            _range_of(first + new_start, first + new_end),
        )
        yield f"@@ -{ranges[0]} +{ranges[1]} @@"
        for tag, start, end, other_start, other_end in group:
            if tag == "equal":
                yield from (" " + _cut(line) for line in old[start:end])
            else:
                yield from ("-" + _cut(line) for line in old[start:end])
                yield from ("+" + _cut(line) for line in new[other_start:other_end])


def _trimmed(
    before: Sequence[str], after: Sequence[str]
) -> tuple[int, Sequence[str], Sequence[str]]:
    """Return the lines between what both begin and end with, with some context, and where
    they begin."""
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    first, rest = max(0, start - _CONTEXT), max(0, end - _CONTEXT)
    return first, before[first : len(before) - rest], after[first : len(after) - rest]


def _range_of(start: int, end: int) -> str:
    length = end - start
    beginning = start + 1 if length else start
    return f"{beginning}" if length == 1 else f"{beginning},{length}"


def _cut(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_LONGEST_LINE]}… ({len(line):,} characters)"
