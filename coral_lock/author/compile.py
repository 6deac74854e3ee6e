"""Compiling manifests: what a project's code says of its plugins, written beside the code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coral_lock.author.manifest_text import (
    DERIVED_KEYS,
    Fields,
    ManifestChanges,
    derived_fields,
    edited_manifest,
    matching_plugins,
    new_manifest,
    refusal,
    written_fields,
)
from coral_lock.author.project import (
    PYPROJECT,
    SETUPTOOLS,
    DeclaredEntryPoint,
    Project,
    display_path,
    read_project,
    read_text,
)
from coral_lock.author.specs import Definitions, UnresolvedError
from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError, ProblemsError
from coral_lock.manifest import ManifestPlugin, manifest_paths, read_manifest
from coral_lock.messages import counted
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    FactsError,
    PluginFacts,
    PluginTerms,
)
from coral_lock.safe_files import write_durably
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledManifest:
    """A manifest of the project.

    Args:
        package: the path of its package under the site root, with slashes.
        path: its absolute path.
        plugins: how many it declares once compiled.
        old: its text; None where there is none.
        new: its text once compiled.
    """

    package: str
    path: str
    plugins: int
    old: str | None
    new: str

    @property
    def shown(self) -> str:
        """Its path for messages."""
        return display_path(self.path)


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

    def write(self) -> None:
        """Write the stale manifests, each whole or not at all.

        Raises:
            WriteError: one can't be written.
        """
        for manifest in self.stale:
            write_durably(manifest.path, manifest.new)


def compile_project(directory: str) -> Compilation:
    """Return the manifests of a project as they should be; nothing is executed or written.

    Raises:
        InputError: `pyproject.toml` or a manifest can't be used.
        ProblemsError: the plugins of an entry point can't be declared (exit code 1).
    """
    return _Compiler(read_project(directory)).compile()


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


class _Compiler:
    """One compilation; gathers its warnings and problems."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._definitions = Definitions(project.read_source)
        self._warnings: list[str] = []
        self._problems: list[CoralLockError] = []

    def compile(self) -> Compilation:
        members: dict[tuple[str, str], list[DeclaredEntryPoint]] = {}
        for declared in self._project.entry_points:
            package = _package_of_manifest(self._project, declared.module)
            if package is None:
                self._no_package(declared)
            else:
                members.setdefault(package, []).append(declared)
        manifests = tuple(self._compiled(*package, entries) for package, entries in members.items())
        if self._problems:
            count = counted(len(self._problems), "problem")
            raise ProblemsError(
                f"the manifest can't be compiled: {count}; nothing was written",
                tuple(self._problems),
                exit_code=DOES_NOT_HOLD,
            )
        created = [manifest.package for manifest in manifests if manifest.old is None]
        return Compilation(
            manifests=manifests,
            warnings=tuple(self._warnings),
            notes=tuple(_packaging_notes(self._project, created)),
        )

    def _problem(self, where: str, message: str, **details: str | None) -> None:
        self._problems.append(InputError(message, where=where, **details))

    def _no_package(self, declared: DeclaredEntryPoint) -> None:
        module = declared.module
        hint = "correct the entry point, or configure in `pyproject.toml` where its package is"
        if self._project.file(f"{module}.py"):
            hint = "turn the module into the `__init__.py` of a package"
        self._problem(
            declared.where,
            f"the project has no package that could ship the manifest of `{module}`",
            expected=f"`{module.partition('.')[0]}` to be a package",
            hint=hint,
        )

    def _compiled(
        self, package: str, directory: str, entries: Sequence[DeclaredEntryPoint]
    ) -> CompiledManifest:
        path = os.path.join(directory, MANIFEST_NAME)
        shown = display_path(path)
        if not self._project.contains(path):
            raise InputError(
                f"`{MANIFEST_NAME}` is a link that leaves the project",
                expected=f"a file in {self._project.root}",
                found=os.path.realpath(path),
                where=shown,
                hint="replace the link by a file",
            )
        old = read_text(path, MAX_MANIFEST_BYTES, "the manifest")
        written = () if old is None else read_manifest(old.encode("utf-8"), shown).plugins
        derived: dict[str, Fields] = {}
        kept: set[int] = set()
        for entry in entries:
            try:
                specs = evaluate(entry.entry_point, self._definitions.sources)
            except FactsError as error:
                value = entry.entry_point.value
                self._problem(entry.where, f"the spec of `{value}` is invalid: {error}")
            except NotEvaluableError as error:
                kept |= self._kept(entry, error, written, shown)
            else:
                for facts in specs:
                    self._add(derived, facts, entry)
        for index in sorted(kept):
            plugin = written[index]
            if plugin.id in derived:
                self._twice(
                    plugin.place, plugin.id, plugin.entry_point, derived[plugin.id]["entry_point"]
                )
        new = old or ""
        if not self._problems:
            changes = self._changes(written, list(derived.values()), kept)
            new = new_manifest(changes.added) if old is None else edited_manifest(old, changes)
            _verify(new, shown, derived, len(kept))
        plugins = len(derived) + len(kept)
        return CompiledManifest(package=package, path=path, plugins=plugins, old=old, new=new)

    def _add(
        self, derived: dict[str, Fields], facts: PluginFacts, declared: DeclaredEntryPoint
    ) -> None:
        """Add the fields of a plugin that an entry point yields."""
        entry_point = declared.entry_point
        fields = derived_fields(entry_point.group, entry_point.value, facts)
        identifier = plugin_id(entry_point.group, facts.name)
        reason = refusal(fields)
        if reason:
            self._problem(declared.where, f"`{identifier}` can't be declared: {reason}")
            return
        first = derived.setdefault(identifier, fields)
        if first != fields:
            self._twice(declared.where, identifier, first["entry_point"], entry_point.value)

    def _twice(self, where: str, identifier: str, first: str, second: str) -> None:
        self._problem(
            where,
            f"`{identifier}` comes from two entry points",
            expected="each plugin from one",
            found=f"`{first}` and `{second}`",
            hint="give one of the plugins another name",
        )

    def _kept(
        self,
        declared: DeclaredEntryPoint,
        error: NotEvaluableError,
        written: Sequence[ManifestPlugin],
        shown: str,
    ) -> set[int]:
        """Return the positions of the plugins that stay as the author wrote them.

        An entry point whose object doesn't exist is wrong, not just beyond evaluation.
        """
        group, value = declared.entry_point.group, declared.entry_point.value
        try:
            self._definitions.find(value)
        except UnresolvedError as unresolved:
            hint = unresolved.hint or "correct the entry point or its module"
            message = f"`{value}` doesn't resolve: {unresolved.reason}"
            self._problem(declared.where, message, hint=hint)
            return set()
        path = self._project.file(error.path) if error.path else None
        where = display_path(path) if path else error.path or PYPROJECT
        where = f"{where}:{error.line}" if error.line else where
        kept = {
            index
            for index, plugin in enumerate(written)
            if (plugin.group, plugin.entry_point) == (group, value)
        }
        if kept:
            self._warnings.append(
                f"`{value}` can't be evaluated, so its plugins are kept as written: "
                f"{where}: {error.reason}"
            )
        else:
            self._problem(
                where,
                f"`{value}` can't be evaluated: {error.reason}",
                hint=f"write its plugins by hand under `plugins` in {shown}: "
                f"{{group: {group}, name: …, entry_point: {value}}}",
            )
        return kept

    def _changes(
        self, plugins: Sequence[ManifestPlugin], derived: Sequence[Fields], kept: set[int]
    ) -> ManifestChanges:
        """Return what brings a manifest up to date."""
        written = [written_fields(plugin) for plugin in plugins]
        matches = matching_plugins(written, derived, kept)
        removed = frozenset(range(len(plugins))) - kept - matches.keys()
        for index in sorted(removed):
            plugin = plugins[index]
            by_hand = [key for key in PluginTerms._fields if getattr(plugin.terms, key)]
            lost = f" with the fields written by hand: {', '.join(by_hand)}" if by_hand else ""
            self._warnings.append(
                f"`{plugin.id}` isn't in the code, so it is removed{lost} ({plugin.place})"
            )
        fields: dict[int, Mapping[str, str | None]] = {}
        for index, position in matches.items():
            old, new = written[index], derived[position]
            changed = {key: new.get(key) for key in DERIVED_KEYS if old.get(key) != new.get(key)}
            if changed:
                fields[index] = changed
        added = [each for index, each in enumerate(derived) if index not in matches.values()]
        return ManifestChanges(fields=fields, removed=removed, added=added)


def _verify(text: str, shown: str, derived: Mapping[str, Fields], kept: int) -> None:
    """Check that a manifest's text declares what it should, however unusual its form.

    Raises:
        InputError: it doesn't.
    """
    try:
        plugins = read_manifest(text.encode("utf-8"), shown).plugins
    except (InputError, ProblemsError):
        plugins = ()
    written = {plugin.id: written_fields(plugin) for plugin in plugins}
    if len(plugins) != len(derived) + kept or any(
        written.get(identifier) != fields for identifier, fields in derived.items()
    ):
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
