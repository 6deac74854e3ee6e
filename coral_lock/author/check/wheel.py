"""Does it install only its own files, and could a lock pin it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coral_lock.author.check.subject import INSTALLED, Subject, finding
from coral_lock.finding import Finding
from coral_lock.reserved import is_startup_file, owner_of, placed, reserved_findings

_MODULE_SUFFIXES = (".py", ".pyi", ".so", ".pyd")
_LIBRARIES = (".libs", ".dylibs")
"""Where tools that repair wheels put the libraries of a package."""

_SHARED_NAMES = frozenset(
    {"build", "conftest", "dist", "doc", "docs", "example", "examples", "script", "scripts"}
    | {"setup", "src", "test", "testing", "tests", "tools"}
)
"""Names that many distributions use by mistake."""

_MAX_NAMED = 5


def check_wheel(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps a lock from pinning a wheel or an installed distribution."""
    for error in subject.problems:
        # What is installed may differ from a sound wheel in nothing but its RECORD.
        code = "false-record" if subject.kind == INSTALLED else error.code
        yield finding(code, subject.name, error.message, error.where, error.hint)
    if subject.layout is None:
        return
    files = placed(subject.layout.files, subject.layout.outside)
    yield from reserved_findings(subject.name, files, provides_plugins=True)
    foreign: dict[str, list[str]] = {}
    for path in subject.layout.files:
        top = path.partition("/")[0]
        is_reserved = is_startup_file(top) or owner_of(top, subject.name) is not None
        if not is_reserved and not _is_own(path):
            foreign.setdefault(top, []).append(path)
    for paths in foreign.values():
        yield finding(
            "foreign-file",
            subject.name,
            "the distribution installs files outside its own packages: " + _listed(paths),
            paths[0],
            "move them into the distribution's own package, or exclude them from the wheel",
        )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else ""
    return ", ".join(f"`{path}`" for path in paths[:_MAX_NAMED]) + more


def _is_own(path: str) -> bool:
    """Whether a path is in a package of the distribution, or is a module of it."""
    top, separator, _ = path.partition("/")
    if separator and top.endswith((".dist-info", *_LIBRARIES)):
        return True
    if not separator and not top.endswith(_MODULE_SUFFIXES):
        return False
    name = top if separator else top.partition(".")[0]
    return name.isidentifier() and name not in _SHARED_NAMES
