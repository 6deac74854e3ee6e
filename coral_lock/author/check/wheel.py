"""Is it a wheel that a lock can pin: its own files only, and a RECORD that is true?"""

from __future__ import annotations

from binascii import b2a_base64

from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.names import normalized_name
from coral_lock.reserved import is_startup_file, owner_of, placed, reserved_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.author.check.subject import Archive, Layout, Subject

REBUILD = "build the wheel again with a sound build back end"
_MODULE_SUFFIXES = (".py", ".pyi", ".so", ".pyd")
_LIBRARIES = (".libs", ".dylibs")
"""Where tools that repair wheels put the libraries of a package."""

_SHARED_NAMES = frozenset(
    {"build", "conftest", "dist", "doc", "docs", "example", "examples", "script", "scripts"}
    | {"setup", "src", "test", "testing", "tests", "tools"}
)
"""Names that every distribution would like to have."""

_MAX_NAMED = 5


def check_wheel(subject: Subject) -> tuple[Finding, ...]:
    """Return what keeps a lock from pinning a wheel or an installed distribution.

    The rules are those of the binary distribution format and of the recording installed
    projects specifications, and what the `t1` digest covers.
    """
    findings: list[Finding] = []
    if subject.layout is not None:
        findings.extend(_layout_findings(subject, subject.layout))
    if subject.archive is not None:
        findings.extend(_archive_findings(subject, subject.archive))
        findings.extend(_record_findings(subject, subject.archive))
    for error in subject.record_problems:
        findings.append(
            Finding(
                code="false-record",
                severity=ERROR,
                subject=subject.name,
                summary=error.message,
                where=error.where,
                hint=error.hint,
            )
        )
    return sorted_findings(findings)


def _layout_findings(subject: Subject, layout: Layout) -> Iterator[Finding]:
    files = placed(layout.files, layout.outside)
    yield from reserved_findings(subject.name, files, provides_plugins=True)
    foreign: dict[str, list[str]] = {}
    for path in layout.files:
        top = path.partition("/")[0]
        is_told = is_startup_file(top) or owner_of(top, subject.name) is not None
        if not is_told and not _is_own(path):
            foreign.setdefault(top, []).append(path)
    for paths in foreign.values():
        yield Finding(
            code="foreign-file",
            severity=ERROR,
            subject=subject.name,
            summary="the distribution puts files where they aren't its own alone: " + _named(paths),
            where=paths[0],
            hint="move them into the distribution's own package, or leave them out of the wheel",
        )


def _named(paths: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else ""
    return ", ".join(f"`{path}`" for path in paths[:_MAX_NAMED]) + more


def _is_own(path: str) -> bool:
    """Whether a path lies in a package of a distribution, or is a module of it."""
    top, separator, _ = path.partition("/")
    if separator and top.endswith((".dist-info", *_LIBRARIES)):
        return True
    if not separator and not top.endswith(_MODULE_SUFFIXES):
        return False
    name = top.partition(".")[0] if not separator else top
    return name.isidentifier() and name not in _SHARED_NAMES


def _malformed(subject: Subject, summary: str, where: str, **details: str) -> Finding:
    return Finding(
        code="wheel-malformed",
        severity=ERROR,
        subject=subject.name,
        summary=summary,
        where=where,
        hint=REBUILD,
        **details,
    )


def _archive_findings(subject: Subject, archive: Archive) -> Iterator[Finding]:
    for member, what in archive.problems:
        summary = f"the member `{member}` {what}" if member else f"the wheel {what}"
        yield _malformed(subject, summary, member or archive.file_name)
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name, version, _, tags = parse_wheel_filename(archive.file_name)
    except InvalidWheelFilename:
        expected = "`name-version-python-abi-platform.whl`"
        summary = "the file's name isn't a wheel's"
        yield _malformed(subject, summary, archive.file_name, expected=expected)
        return
    stated = (normalized_name(archive.name), archive.version)
    if archive.name and (str(name) != stated[0] or not _same_version(str(version), stated[1])):
        yield _malformed(
            subject,
            "the file's name says another distribution than METADATA",
            archive.file_name,
            expected=f"{stated[0]} {stated[1]}",
            found=f"{name} {version}",
        )
    wheel_file = f"{archive.dist_info}/WHEEL"
    if not archive.wheel:
        return
    yield from _wheel_file_findings(subject, archive, wheel_file)
    in_name = sorted(map(str, tags))
    in_file = sorted(_expanded(archive.wheel.get("tag", ())))
    if in_name != in_file:
        yield _malformed(
            subject,
            "the file's name says other tags than WHEEL, whose tags a lock records",
            wheel_file,
            expected=", ".join(in_name),
            found=", ".join(in_file) or "none",
        )


def _wheel_file_findings(subject: Subject, archive: Archive, where: str) -> Iterator[Finding]:
    version = archive.wheel.get("wheel-version", ("",))[0]
    if version.partition(".")[0] != "1":
        summary = "WHEEL states a version of the format that isn't known"
        yield _malformed(subject, summary, where, expected="1.0", found=version or "none")
    purity = archive.wheel.get("root-is-purelib", ("",))[0].lower()
    if purity not in ("true", "false"):
        summary = "WHEEL doesn't say whether the files are pure Python"
        expected = "`Root-Is-Purelib: true` or `false`"
        yield _malformed(subject, summary, where, expected=expected, found=purity or "none")


def _expanded(tags: tuple[str, ...]) -> set[str]:
    """Return single tags; one whose parts are compressed stands for several (PEP 425)."""
    from packaging.tags import parse_tag

    expanded: set[str] = set()
    for tag in tags:
        if tag.count("-") == 2:
            expanded.update(map(str, parse_tag(tag)))
        else:
            expanded.add(tag)
    return expanded


def _same_version(first: str, second: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return first == second


def _record_findings(subject: Subject, archive: Archive) -> Iterator[Finding]:
    record = archive.record
    if record is None:
        return
    where = f"{archive.dist_info}/RECORD"
    itself = {where, f"{where}.jws", f"{where}.p7s"}
    wrong = _wrong_rows(archive.contents, record, itself)
    for summary, paths in wrong:
        if paths:
            yield Finding(
                code="false-record",
                severity=ERROR,
                subject=subject.name,
                summary=f"{summary}: {_named(paths)}",
                where=where,
                hint=REBUILD,
            )


def _wrong_rows(
    contents: Mapping[str, str], record: Mapping[str, str], itself: set[str]
) -> tuple[tuple[str, list[str]], ...]:
    known = sorted(contents.keys() & record.keys() - itself)
    return (
        (
            "RECORD doesn't list files of the wheel",
            sorted(contents.keys() - record.keys() - itself),
        ),
        ("RECORD lists files that aren't there", sorted(record.keys() - contents.keys() - itself)),
        (
            "RECORD states no SHA-256 of files",
            [path for path in known if not record[path].startswith("sha256=")],
        ),
        (
            "files aren't what RECORD states",
            [
                path
                for path in known
                if record[path].startswith("sha256=") and record[path] != _recorded(contents[path])
            ],
        ),
    )


def _recorded(digest: str) -> str:
    """Return a hash as RECORD has it: URL-safe base64 without padding."""
    encoded = b2a_base64(bytes.fromhex(digest), newline=False).decode("ascii").rstrip("=")
    return "sha256=" + encoded.replace("+", "-").replace("/", "_")
