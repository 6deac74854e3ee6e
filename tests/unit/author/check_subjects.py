"""A sound plugin project in memory, of which tests change one thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coral_lock.author.check import check_subject
from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.author.subject import PROJECT, Subject
from coral_lock.finding import Finding
from coral_lock.inventory import EntryPoint

PLUGINS = "acme/coral_plugins.py"
BACKENDS = "acme/coral_backends.py"
MANIFEST = "acme/coral_plugin.yaml"

FILES: Mapping[str, str] = {
    "acme/__init__.py": "",
    PLUGINS: """\
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register_denoise():
    return PluginSpec(
        name="denoise",
        activate=activate,
        description="Remove sensor noise",
        min_core_version="0.0.4",
    )


sharpen = PluginSpec(name="sharpen", activate=activate, description="Sharpen the edges")
""",
    BACKENDS: """\
from coral_inference.runtime.backends import BackendAdapter


def supports(platform, config):
    return True


def activate(platform, config):
    return True


npu = BackendAdapter(name="npu", supports=supports, activate=activate)
""",
    MANIFEST: """\
manifest_version: 1
plugins:
  - group: backends
    name: npu
    entry_point: acme.coral_backends:npu
  - group: patches
    name: denoise
    entry_point: acme.coral_plugins:register_denoise
    description: Remove sensor noise
    min_core_version: "0.0.4"
  - group: patches
    name: sharpen
    entry_point: acme.coral_plugins:sharpen
    description: Sharpen the edges
    after: ["patches:denoise"]
""",
}

ENTRY_POINTS = (
    ("backends", "npu", "acme.coral_backends:npu"),
    ("patches", "denoise", "acme.coral_plugins:register_denoise"),
    ("patches", "sharpen", "acme.coral_plugins:sharpen"),
)


def subject(
    files: Mapping[str, str] = FILES,
    entry_points: Iterable[tuple[str, str, str]] = ENTRY_POINTS,
) -> Subject:
    """Return a project with these files and entry points, each declared on a line of its own."""
    contents = {path: text.encode() for path, text in files.items()}
    return Subject(
        kind=PROJECT,
        target=".",
        name="acme",
        version="1.0",
        entry_points=tuple(
            DeclaredEntryPoint(
                entry_point=EntryPoint(group=group, name=name, value=value),
                where=f"pyproject.toml:{line}:1",
            )
            for line, (group, name, value) in enumerate(entry_points, 10)
        ),
        read_source=contents.get,
    )


def changed(path: str, old: str, new: str) -> dict[str, str]:
    """Return the sound project's files with the first `old` in one of them replaced."""
    assert old in FILES[path], old
    return {**FILES, path: FILES[path].replace(old, new, 1)}


def told(finding: Finding) -> tuple[str, str, str, str | None]:
    """Return what tells a finding from others: severity, code, summary, and place."""
    return finding.severity, finding.code, finding.summary, finding.where


def findings_of(checked: Subject) -> list[tuple[str, str, str, str | None]]:
    """Return what all checks find without running anything."""
    return [told(finding) for finding in check_subject(checked).findings]
