"""Compiling manifests: what a project's code says of its plugins, written beside the code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from coral_lock.author.manifest_check import Comparison, compare
from coral_lock.author.manifest_text import edited_manifest, new_manifest
from coral_lock.author.project import (
    PYPROJECT,
    SETUPTOOLS,
    DeclaredEntryPoint,
    Project,
    display_path,
    read_project,
)
from coral_lock.author.specs import LearntEntryPoint, check_specs, learn
from coral_lock.author.subject import project_subject
from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError, ProblemsError
from coral_lock.finding import ERROR
from coral_lock.manifest import ManifestPlugin, manifest_paths, read_manifest
from coral_lock.messages import counted
from coral_lock.plugin.facts import MANIFEST_NAME, PluginTerms


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledManifest:
    """A manifest of the project.

    Args:
        package: the path of its package under the site root, with slashes.
        path: its path for messages.
        plugins: how many it declares once compiled.
        old: its text; None where there is none.
        new: its text once compiled.
    """

    package: str
    path: str
    plugins: int
    old: str | None
    new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Compilation:
    """The outcome of compiling a project.

    Args:
        manifests: every manifest of the project, by their first entry points.
        warnings: what the author should look at, each one sentence.
        notes: what else has to be done for new manifests, as lines.
    """

    manifests: tuple[CompiledManifest, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def stale(self) -> tuple[CompiledManifest, ...]:
        """The manifests that have to be written."""
        return tuple(each for each in self.manifests if each.old != each.new)


def compile_project(directory: str) -> Compilation:
    """Return the manifests of a project as they should be; nothing is executed or written.

    Raises:
        InputError: `pyproject.toml` or a manifest can't be used.
        ProblemsError: the plugins of an entry point can't be declared (exit code 1).
    """
    project = read_project(directory)
    subject = project_subject(project)
    learnt = learn(subject)
    problems: list[CoralLockError] = [
        InputError(each.summary, **each.details())
        for each in check_specs(subject, learnt)
        if each.severity == ERROR
    ]
    members: dict[tuple[str, str], list[LearntEntryPoint]] = {}
    warnings: list[str] = []
    for entry in learnt:
        package = _package_of_manifest(project, entry.declared.module)
        if package is not None:
            members.setdefault(package, []).append(entry)
        elif entry.unresolved is None:
            problems.append(_no_package(entry.declared))
    manifests = tuple(
        _compiled(project, package, entries, problems, warnings)
        for package, entries in members.items()
    )
    if problems:
        count = counted(len(problems), "problem")
        raise ProblemsError(
            f"the manifest can't be compiled: {count}; nothing was written",
            tuple(problems),
            exit_code=DOES_NOT_HOLD,
        )
    created = [manifest.package for manifest in manifests if manifest.old is None]
    return Compilation(
        manifests=manifests,
        warnings=tuple(warnings),
        notes=tuple(_packaging_notes(project, created)),
    )


def _package_of_manifest(project: Project, module: str) -> tuple[str, str] | None:
    """Return the package whose manifest is that of an entry point's module.

    One with a manifest counts before any other. Else it is the topmost package with an
    `__init__.py`, as other distributions may share those above; without any, the package that
    holds the module.

    Returns:
        Its path under the site root, and its directory. None where the project has no package
        for it: the module is a single file at the top, or doesn't exist.
    """
    paths = [os.path.dirname(path) for path in manifest_paths(module)]
    packages = [(path, directory) for path in paths if (directory := project.directory(path))]
    existing = [each for each in packages if os.path.lexists(os.path.join(each[1], MANIFEST_NAME))]
    regular = [each for each in packages if project.file(f"{each[0]}/__init__.py")]
    shared = [each for each in packages if each[0] != paths[-1]]
    return next(iter((*existing, *regular, *shared[-1:])), None)


def _no_package(declared: DeclaredEntryPoint) -> InputError:
    return InputError(
        f"the project has no package that could ship the manifest of `{declared.module}`",
        expected=f"`{declared.module}` to be a package",
        where=declared.where,
        hint="turn the module into the `__init__.py` of a package",
    )


def _compiled(
    project: Project,
    package: tuple[str, str],
    entries: Sequence[LearntEntryPoint],
    problems: list[CoralLockError],
    warnings: list[str],
) -> CompiledManifest:
    """Return the manifest of a package; what is wrong with its plugins is added to `problems`."""
    site_path, directory = package
    path = os.path.join(directory, MANIFEST_NAME)
    shown = display_path(path)
    content = project.read(path) if os.path.lexists(path) else None
    written = () if content is None else read_manifest(content, shown)
    old = None if content is None else content.decode("utf-8")
    comparison = compare(written, entries)
    declared = (*filter(None, comparison.successors), *comparison.missing)
    problems.extend(_problems(entries, written, shown))
    new = old or ""
    if not problems:
        warnings.extend(_warnings(entries, written, comparison))
        if old is None:
            new = new_manifest(declared)
        elif declared != written:
            new = edited_manifest(old, comparison.successors, comparison.missing)
            _verify(new, shown, declared)
    return CompiledManifest(package=site_path, path=shown, plugins=len(declared), old=old, new=new)


def _problems(
    entries: Iterable[LearntEntryPoint], written: Sequence[ManifestPlugin], shown: str
) -> Iterator[InputError]:
    """Yield why the plugins of entry points can't be declared in a manifest."""
    for entry in entries:
        group, value = entry.declared.entry_point.group, entry.declared.entry_point.value
        plugins = entry.plugins or entry.declared_in(written)
        if entry.refusal is not None and not plugins:
            yield InputError(
                f"`{value}` can't be evaluated: {entry.refusal}",
                where=entry.refusal_where,
                hint=f"write its plugins by hand under `plugins` in {shown}: "
                f"{{group: {group}, name: …, entry_point: {value}}}",
            )
        for plugin in plugins:
            if not plugin.facts.description.isprintable():
                yield InputError(
                    f"`{plugin.id}` can't be declared: its `description` isn't one line of "
                    "printable text",
                    where=entry.where,
                )


def _warnings(
    entries: Iterable[LearntEntryPoint],
    written: Sequence[ManifestPlugin],
    comparison: Comparison,
) -> Iterator[str]:
    """Yield what the author should look at: plugins that are kept unseen, or removed."""
    for entry in entries:
        if entry.refusal is not None:
            yield (
                f"`{entry.declared.entry_point.value}` can't be evaluated, so its plugins are "
                f"kept as written: {entry.refusal_where}: {entry.refusal}"
            )
    for plugin, successor in zip(written, comparison.successors, strict=True):
        if successor is None:
            by_hand = [key for key in PluginTerms._fields if getattr(plugin.terms, key)]
            lost = f" with the fields written by hand: {', '.join(by_hand)}" if by_hand else ""
            yield f"`{plugin.id}` isn't in the code, so it is removed{lost} ({plugin.place})"


def _verify(text: str, shown: str, declared: Sequence[ManifestPlugin]) -> None:
    """Check that a manifest's text declares what it should, however unusual its form.

    Raises:
        InputError: it doesn't.
    """
    try:
        plugins = read_manifest(text.encode("utf-8"), shown)
    except (InputError, ProblemsError):
        plugins = ()
    if [each.replace(place="") for each in plugins] != [e.replace(place="") for e in declared]:
        raise InputError(
            f"`{MANIFEST_NAME}` is written in a form that can't be updated",
            where=shown,
            hint="remove the file, run the command again, and add what was written by hand",
        )


def _packaging_notes(project: Project, packages: Sequence[str]) -> Iterator[str]:
    """Yield how new manifests get into the wheel, where the build back end omits them."""
    if project.backend == SETUPTOOLS and packages and not project.has_package_data:
        # https://setuptools.pypa.io/en/latest/userguide/datafiles.html
        yield (
            f"hint: setuptools omits `{MANIFEST_NAME}` from the wheel unless it is package data; "
            f"add to `{PYPROJECT}`:"
        )
        yield "  [tool.setuptools.package-data]"
        for path in packages:
            yield f'  "{path.replace("/", ".")}" = ["{MANIFEST_NAME}"]'
