"""Compiling manifests: what a project's code says of its plugins, written beside the code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coral_lock.author.check.definitions import Definitions, UnresolvedError
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
    FLIT,
    HATCHLING,
    POETRY,
    PYPROJECT,
    SETUPTOOLS,
    UV,
    DeclaredEntryPoint,
    Project,
    display_path,
    read_project,
)
from coral_lock.document.reader import decode
from coral_lock.errors import DOES_NOT_HOLD, CoralLockError, InputError, ProblemsError
from coral_lock.manifest import Manifest, manifest_paths, read_manifest
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import MANIFEST_NAME, MAX_MANIFEST_BYTES, FactsError, PluginTerms
from coral_lock.safe_files import read_regular_file, write_durably
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestPlace:
    """The absolute path of a manifest, and the path of its package under the site root."""

    package: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledManifest:
    """A manifest of the project: its text, or None where there is none, and the compiled one."""

    place: ManifestPlace
    plugins: int
    old: str | None
    new: str

    @property
    def shown(self) -> str:
        """Its path for messages."""
        return display_path(self.place.path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Compilation:
    """The outcome of compiling a project.

    Args:
        manifests: every manifest of the project, by their first entry points.
        warnings: what the author should look at, each one sentence.
        notes: what else has to be done for new manifests, each one or more lines.
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
            write_durably(manifest.place.path, manifest.new)


def compile_project(directory: str) -> Compilation:
    """Return the manifests of a project as they should be; nothing is executed or written.

    Raises:
        InputError: `pyproject.toml` or a manifest can't be used.
        ProblemsError: the plugins of an entry point can't be declared (exit code 1).
    """
    return _Compiler(read_project(directory)).compile()


def manifest_place(project: Project, module: str) -> ManifestPlace | None:
    """Return the place of the manifest for an entry point's module.

    An existing one counts before any other. Else it is for the topmost package with an
    `__init__.py`, as other distributions may share those above; without any, for the package
    that holds the module.

    Args:
        project: the project.
        module: the dotted name of the entry point's module.

    Returns:
        None where the project has no package for it: the module is a single file at the top,
        or doesn't exist.

    Raises:
        InputError: the manifest is a link that leaves the project.
    """
    packages = [os.path.dirname(path) for path in manifest_paths(module)]
    directories = {package: project.directory(package) for package in packages}
    existing = [package for package in packages if _has_entry(directories[package])]
    regular = [package for package in packages if project.file(f"{package}/__init__.py")]
    shared = [package for package in packages[:-1] if directories[package]]
    for package in (*existing, *regular, *shared[-1:]):
        directory = directories[package]
        if directory is not None:
            path = os.path.join(directory, MANIFEST_NAME)
            if not project.contains(path):
                raise InputError(
                    f"`{MANIFEST_NAME}` is a link that leaves the project",
                    expected=f"a file in {project.root}",
                    found=os.path.realpath(path),
                    where=display_path(path),
                    hint="replace the link by a file",
                )
            return ManifestPlace(package=package, path=path)
    return None


def _has_entry(directory: str | None) -> bool:
    return directory is not None and os.path.lexists(os.path.join(directory, MANIFEST_NAME))


class _Compiler:
    """One compilation; gathers its warnings and problems."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._definitions = Definitions(project.read_source)
        self._warnings: list[str] = []
        self._problems: list[CoralLockError] = []

    def compile(self) -> Compilation:
        members: dict[ManifestPlace, list[DeclaredEntryPoint]] = {}
        for declared in self._project.entry_points:
            place = self._place(declared)
            if place is not None:
                members.setdefault(place, []).append(declared)
        manifests = tuple(self._compiled(place, declared) for place, declared in members.items())
        if self._problems:
            count = len(self._problems)
            raise ProblemsError(
                f"the manifest can't be compiled: {count} problem{'s' * (count != 1)}; "
                "nothing was written",
                tuple(self._problems),
                exit_code=DOES_NOT_HOLD,
            )
        created = [manifest for manifest in manifests if manifest.old is None]
        return Compilation(
            manifests=manifests,
            warnings=tuple(self._warnings),
            notes=tuple(_packaging_notes(self._project, created)),
        )

    def _problem(
        self,
        declared: DeclaredEntryPoint,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        self._problems.append(
            InputError(
                message, expected=expected, found=found, where=where or declared.where, hint=hint
            )
        )

    def _place(self, declared: DeclaredEntryPoint) -> ManifestPlace | None:
        module = declared.module
        place = manifest_place(self._project, module)
        if place is None:
            self._problem(
                declared,
                f"the project has no package that could ship the manifest of `{module}`",
                expected=f"`{module.partition('.')[0]}` to be a package",
                hint="turn the module into the `__init__.py` of a package"
                if self._project.file(f"{module}.py")
                else "correct the entry point, or configure in `pyproject.toml` where its package "
                "is",
            )
        return place

    def _compiled(
        self, place: ManifestPlace, declared: Sequence[DeclaredEntryPoint]
    ) -> CompiledManifest:
        shown = display_path(place.path)
        old = _read_text(place.path)
        manifest = (
            Manifest(plugins=()) if old is None else read_manifest(old.encode("utf-8"), shown)
        )
        derived: dict[str, Fields] = {}
        kept: set[int] = set()
        for entry in declared:
            try:
                for fields in self._derive(entry):
                    self._add(derived, fields, entry)
            except NotEvaluableError as error:
                kept |= self._keep(entry, error, manifest, shown)
        for index in sorted(kept):
            plugin = manifest.plugins[index]
            if plugin.id in derived:
                self._twice(
                    declared[0],
                    plugin.id,
                    plugin.entry_point,
                    derived[plugin.id]["entry_point"],
                    where=plugin.place,
                )
        changes = self._changes(manifest, list(derived.values()), kept)
        new = old or ""
        if not self._problems:
            if old is None:
                new = new_manifest(changes.added)
            elif not changes.is_empty:
                new = edited_manifest(old, manifest, changes)
            _verify(new, shown, derived, len(kept))
        return CompiledManifest(place=place, plugins=len(derived) + len(kept), old=old, new=new)

    def _derive(self, declared: DeclaredEntryPoint) -> Iterator[Fields]:
        """Yield the derived fields of the plugins of an entry point."""
        entry_point = declared.entry_point
        try:
            specs = evaluate(entry_point, self._definitions.sources)
        except FactsError as error:
            self._problem(declared, f"the spec of `{entry_point.value}` is invalid: {error}")
            return
        for facts in specs:
            fields = derived_fields(entry_point.group, entry_point.value, facts)
            reason = refusal(fields)
            if reason:
                identifier = plugin_id(entry_point.group, facts.name)
                self._problem(declared, f"`{identifier}` can't be declared: {reason}")
            else:
                yield fields

    def _add(
        self, derived: dict[str, Fields], fields: Fields, declared: DeclaredEntryPoint
    ) -> None:
        identifier = plugin_id(fields["group"], fields["name"])
        first = derived.setdefault(identifier, fields)
        if first != fields:
            self._twice(declared, identifier, first["entry_point"], fields["entry_point"])

    def _twice(
        self,
        declared: DeclaredEntryPoint,
        identifier: str,
        first: str,
        second: str,
        where: str | None = None,
    ) -> None:
        self._problem(
            declared,
            f"`{identifier}` comes from two entry points",
            expected="each plugin from one",
            found=f"`{first}` and `{second}`",
            where=where,
            hint="give one of the plugins another name",
        )

    def _keep(
        self,
        declared: DeclaredEntryPoint,
        error: NotEvaluableError,
        manifest: Manifest,
        shown: str,
    ) -> set[int]:
        """Return the positions of the plugins that stay as the author wrote them.

        An entry point whose object doesn't exist is wrong, not just beyond evaluation.
        """
        entry_point = declared.entry_point
        try:
            self._definitions.find(entry_point.value)
        except UnresolvedError as unresolved:
            self._problem(
                declared,
                f"`{entry_point.value}` doesn't resolve: {unresolved.reason}",
                hint=unresolved.hint or "correct the entry point or its module",
            )
            return set()
        kept = {
            index
            for index, plugin in enumerate(manifest.plugins)
            if (plugin.group, plugin.entry_point) == (entry_point.group, entry_point.value)
        }
        path = self._project.file(error.path) if error.path else None
        where = display_path(path) if path else error.path or PYPROJECT
        where = f"{where}:{error.line}" if error.line else where
        if kept:
            self._warnings.append(
                f"`{entry_point.value}` can't be evaluated, so its plugins are kept as written: "
                f"{where}: {error.reason}"
            )
        else:
            self._problem(
                declared,
                f"`{entry_point.value}` can't be evaluated: {error.reason}",
                where=where,
                hint=f"write its plugins by hand under `plugins` in {shown}: "
                f"{{group: {entry_point.group}, name: …, entry_point: {entry_point.value}}}",
            )
        return kept

    def _changes(
        self, manifest: Manifest, derived: Sequence[Fields], kept: set[int]
    ) -> ManifestChanges:
        """Return what brings a manifest up to date."""
        matches = matching_plugins(manifest, derived, kept)
        removed = frozenset(range(len(manifest.plugins))) - kept - matches.keys()
        for index in sorted(removed):
            plugin = manifest.plugins[index]
            by_hand = [key for key in PluginTerms._fields if getattr(plugin.terms, key)]
            lost = f" with the fields written by hand: {', '.join(by_hand)}" if by_hand else ""
            self._warnings.append(
                f"`{plugin.id}` isn't in the code, so it is removed{lost} ({plugin.place})"
            )
        fields: dict[int, Mapping[str, str | None]] = {}
        for index, position in matches.items():
            old, new = written_fields(manifest.plugins[index]), derived[position]
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


def _packaging_notes(project: Project, created: Sequence[CompiledManifest]) -> Iterator[str]:
    """Yield how new manifests get into the wheel, where the build back end may omit them."""
    packages = [manifest.place.package.replace("/", ".") for manifest in created]
    if project.backend_family == SETUPTOOLS and packages and not project.has_package_data:
        # https://setuptools.pypa.io/en/latest/userguide/datafiles.html
        yield "\n".join(
            (
                f"hint: setuptools omits `{MANIFEST_NAME}` from the wheel unless it is package "
                f"data; add to `{PYPROJECT}`:",
                "  [tool.setuptools.package-data]",
                *(f'  "{package}" = ["{MANIFEST_NAME}"]' for package in packages),
            )
        )
    elif packages and project.backend_family not in (FLIT, HATCHLING, POETRY, SETUPTOOLS, UV):
        yield (
            f"hint: make sure that the wheel contains `{MANIFEST_NAME}`: build it and run "
            "`coral-runtime plugins check dist/*.whl`"
        )


def _read_text(path: str) -> str | None:
    """Return the text of a manifest, or None where there is none.

    Raises:
        InputError: it can't be read, or isn't text.
    """
    shown = display_path(path)
    try:
        content = read_regular_file(path, MAX_MANIFEST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the manifest can't be read: {error.strerror}", where=shown) from None
    return decode(content, shown)
