"""Compiling manifests: what a project's code says of its plugins, written down beside it."""

from __future__ import annotations

import os

from coral_lock.author.check.definitions import ABSENT, Definitions
from coral_lock.author.manifest_edit import (
    ManifestChanges,
    changed_fields,
    edited_manifest,
    matching_plugins,
)
from coral_lock.author.manifest_text import derived_fields, new_manifest, refusal, written_fields
from coral_lock.author.package_data import with_package_data
from coral_lock.author.project import (
    PYPROJECT,
    display_path,
    is_inside,
    project_of,
    read_pyproject,
    source_directory,
    source_path,
    source_reader,
)
from coral_lock.errors import DOES_NOT_HOLD, InputError, ProblemsError
from coral_lock.manifest.model import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, manifest_paths
from coral_lock.manifest.reader import read_manifest
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import FactsError
from coral_lock.plugin.terms import PluginTerms
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file, write_durably
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError, Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coral_lock.author.project import Project, ProjectEntryPoint, Pyproject
    from coral_lock.errors import CoralLockError
    from coral_lock.manifest.model import ManifestPlugin


class ManifestPlace(Record):
    """Where a manifest lies: under the site root, with slashes, and in the project, absolute."""

    site_path: str
    path: str

    @property
    def package(self) -> str:
        """The dotted name of the package that ships it."""
        return os.path.dirname(self.site_path).replace("/", ".")


def manifest_place(project: Project, module: str) -> ManifestPlace | None:
    """Return where the manifest for an entry point's module lies, or is to lie.

    One that is there already counts before any other. Else it is for the topmost package
    with an `__init__.py`, as other distributions may share those above; without any, for the
    package that holds the module.

    Args:
        project: the project.
        module: the dotted name of the entry point's module.

    Returns:
        None where the project has no package for it: the module is a single file at the top,
        or isn't there at all.

    Raises:
        InputError: the package's directory leads out of the project.
    """
    packages = [os.path.dirname(path) for path in manifest_paths(module)]
    directories = {package: source_directory(project, package) for package in packages}
    existing = [package for package in packages if _has_entry(directories[package])]
    regular = [package for package in packages if source_path(project, f"{package}/__init__.py")]
    shared = [package for package in packages[:-1] if directories[package]]
    for package in (*existing, *regular, *shared[-1:]):
        directory = directories[package]
        if directory is not None:
            return _checked(project, package, os.path.join(directory, MANIFEST_NAME))
    return None


def _has_entry(directory: str | None) -> bool:
    return directory is not None and os.path.lexists(os.path.join(directory, MANIFEST_NAME))


def _checked(project: Project, package: str, path: str) -> ManifestPlace:
    if not is_inside(project, path):
        raise InputError(
            f"`{MANIFEST_NAME}` leads out of the project",
            expected=f"a file in {project.root}",
            found=os.path.realpath(path),
            where=display_path(path),
            hint="replace the link by a file",
        )
    return ManifestPlace(site_path=f"{package}/{MANIFEST_NAME}", path=path)


class FileChange(Record):
    """A file of the project that isn't as it should be; `old` is None for one to be made."""

    path: str
    old: str | None
    new: str


class CompiledManifest(Record):
    """A manifest of the project, as it should be."""

    path: str
    plugins: int


class Compilation(Record):
    """What compiling comes to.

    Args:
        manifests: every manifest of the project, by their first entry points.
        changes: the files that are to change, manifests first.
        warnings: what the author should look at, each one sentence.
    """

    manifests: tuple[CompiledManifest, ...]
    changes: tuple[FileChange, ...]
    warnings: tuple[str, ...]


def compile_project(directory: str) -> Compilation:
    """Return what the manifests of a project should be; nothing is executed or written.

    Raises:
        InputError: `pyproject.toml` or a manifest can't be used.
        ProblemsError: an entry point's plugins can't be written down (exit code 1).
    """
    pyproject = read_pyproject(directory)
    return _Compiler(pyproject, project_of(pyproject)).compile()


def write_changes(compilation: Compilation) -> None:
    """Write the files that are to change, each whole or not at all.

    Raises:
        WriteError: one can't be written.
    """
    for change in compilation.changes:
        write_durably(change.path, change.new)


class _Compiler:
    """One compilation; gathers its warnings and problems."""

    def __init__(self, pyproject: Pyproject, project: Project) -> None:
        self._pyproject = pyproject
        self._project = project
        self._sources = Sources(source_reader(project))
        self._warnings: list[str] = []
        self._problems: list[CoralLockError] = []

    def compile(self) -> Compilation:
        places: dict[str, ManifestPlace] = {}
        members: dict[str, list[ProjectEntryPoint]] = {}
        for declared in self._project.entry_points:
            place = self._place(declared)
            if place is not None:
                places[place.site_path] = place
                members.setdefault(place.site_path, []).append(declared)
        manifests, changes = [], []
        for site_path, place in places.items():
            old = _read_text(place.path)
            new, plugins = self._compiled(place.path, old, members[site_path])
            manifests.append(CompiledManifest(path=place.path, plugins=plugins))
            changes.append(FileChange(path=place.path, old=old, new=new))
        package_data = with_package_data(
            self._pyproject, self._project, [places[site_path] for site_path in places]
        )
        if self._problems:
            raise _failure(self._problems)
        path, old_text = self._pyproject.path, self._pyproject.text
        if package_data.text != old_text and not is_inside(self._project, path):
            raise InputError(
                "`pyproject.toml` leads out of the project, so it isn't changed",
                where=display_path(path),
                hint="put the file itself where the link is",
            )
        changes.append(FileChange(path=path, old=old_text, new=package_data.text))
        return Compilation(
            manifests=tuple(manifests),
            changes=tuple(change for change in changes if change.old != change.new),
            warnings=(*self._warnings, *package_data.warnings),
        )

    def _place(self, declared: ProjectEntryPoint) -> ManifestPlace | None:
        module = declared.entry_point.value.partition(":")[0]
        place = manifest_place(self._project, module)
        if place is None:
            self._problem(
                declared,
                f"the project has no package that could ship the manifest of `{module}`",
                expected=f"`{module.partition('.')[0]}` to be a package",
                hint="turn the module into a package, whose `__init__.py` it becomes"
                if source_path(self._project, f"{module}.py")
                else "correct the entry point, or say in `pyproject.toml` where its package lies",
            )
        return place

    def _compiled(
        self, path: str, old: str | None, declared: Sequence[ProjectEntryPoint]
    ) -> tuple[str, int]:
        """Return a manifest's new text, and how many plugins it declares."""
        shown = display_path(path)
        manifest = (
            Manifest(plugins=()) if old is None else read_manifest(old.encode("utf-8"), shown)
        )
        derived: dict[str, Mapping[str, str]] = {}
        kept: set[int] = set()
        for entry in declared:
            try:
                for fields in self._derive(entry):
                    self._add(derived, fields, entry)
            except NotEvaluableError as error:
                kept |= self._keep(entry, error, manifest, shown)
        for index in sorted(kept):
            self._refuse_twice(manifest.plugins[index], derived)
        changes = self._difference(manifest, list(derived.values()), kept)
        if self._problems:
            return old or "", 0
        if old is None:
            new = new_manifest(changes.added)
        else:
            new = old if changes.is_empty else edited_manifest(old, changes)
        self._verify(new, shown, derived, len(kept))
        return new, len(derived) + len(kept)

    def _derive(self, declared: ProjectEntryPoint) -> Iterator[Mapping[str, str]]:
        """Yield the derived fields of the plugins of an entry point."""
        entry_point = declared.entry_point
        try:
            specs = evaluate(entry_point, self._sources)
        except FactsError as error:
            self._problem(declared, f"what `{entry_point.value}` yields can't be right: {error}")
            return
        for facts in specs:
            fields = derived_fields(entry_point.group, entry_point.value, facts)
            reason = refusal(fields)
            if reason:
                identifier = plugin_id(entry_point.group, facts.name)
                self._problem(declared, f"`{identifier}` can't stand in a manifest: {reason}")
            else:
                yield fields

    def _add(
        self,
        derived: dict[str, Mapping[str, str]],
        fields: Mapping[str, str],
        declared: ProjectEntryPoint,
    ) -> None:
        identifier = plugin_id(fields["group"], fields["name"])
        first = derived.setdefault(identifier, fields)
        if first != fields:
            self._problem(
                declared,
                f"`{identifier}` comes from two entry points",
                expected="each plugin from one",
                found=f"`{first['entry_point']}` and `{fields['entry_point']}`",
                hint="give one of the plugins another name",
            )

    def _refuse_twice(
        self, plugin: ManifestPlugin, derived: Mapping[str, Mapping[str, str]]
    ) -> None:
        if plugin.id in derived:
            self._problems.append(
                InputError(
                    f"`{plugin.id}` comes from two entry points",
                    expected="each plugin from one",
                    found=f"`{plugin.entry_point}` and `{derived[plugin.id]['entry_point']}`",
                    where=plugin.place,
                    hint="give one of the plugins another name",
                )
            )

    def _keep(
        self,
        declared: ProjectEntryPoint,
        error: NotEvaluableError,
        manifest: Manifest,
        shown: str,
    ) -> set[int]:
        """Return the positions of the plugins that stay as the author wrote them.

        An entry point that names nothing isn't one that can't be evaluated: it is wrong.
        """
        entry_point = declared.entry_point
        module, _, attribute = entry_point.value.partition(":")
        resolution = Definitions(source_reader(self._project)).resolve(module, attribute)
        if resolution.status == ABSENT or error.reason.startswith("the source doesn't parse"):
            self._problem(
                declared,
                f"`{entry_point.value}` doesn't resolve: {resolution.reason or error.reason}",
                hint=resolution.hint or "correct the entry point, or the module that it names",
            )
            return set()
        kept = {
            index
            for index, plugin in enumerate(manifest.plugins)
            if (plugin.group, plugin.entry_point) == (entry_point.group, entry_point.value)
        }
        place = _place_of(self._project, error)
        if kept:
            self._warnings.append(
                f"`{entry_point.value}` can't be evaluated, so its plugins stay as they were "
                f"written by hand: {place}: {error.reason}"
            )
        else:
            self._problems.append(
                InputError(
                    f"`{entry_point.value}` can't be evaluated: {error.reason}",
                    where=place,
                    hint=f"write its plugins by hand under `plugins` in {shown}: "
                    f"{{group: {entry_point.group}, name: …, entry_point: {entry_point.value}}}",
                )
            )
        return kept

    def _difference(
        self, manifest: Manifest, derived: list[Mapping[str, str]], kept: set[int]
    ) -> ManifestChanges:
        """Return what brings a manifest to what was derived."""
        matches = matching_plugins(manifest, derived, kept)
        removed = frozenset(range(len(manifest.plugins))) - kept - matches.keys()
        for index in sorted(removed):
            plugin = manifest.plugins[index]
            by_hand = [key for key in PluginTerms._fields if getattr(plugin.terms, key)]
            lost = f" with what was written by hand: {', '.join(by_hand)}" if by_hand else ""
            self._warnings.append(
                f"`{plugin.id}` is no longer in the code, so it is removed{lost} ({plugin.place})"
            )
        fields = {
            index: changed_fields(manifest.plugins[index], derived[position])
            for index, position in matches.items()
        }
        return ManifestChanges(
            fields={index: changed for index, changed in fields.items() if changed},
            removed=removed,
            added=tuple(
                fields
                for position, fields in enumerate(derived)
                if position not in matches.values()
            ),
        )

    def _verify(
        self, text: str, shown: str, derived: Mapping[str, Mapping[str, str]], kept: int
    ) -> None:
        """Hold that a text reads as what it is to say, however unusual its form.

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
                f"`{MANIFEST_NAME}` is written in a form that can't be brought up to date",
                where=shown,
                hint="remove the file, run the command again, and add what was written by hand",
            )

    def _problem(
        self,
        declared: ProjectEntryPoint,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        place = f"{display_path(self._pyproject.path)}:{declared.line}:{declared.column}"
        self._problems.append(
            InputError(message, expected=expected, found=found, where=place, hint=hint)
        )


def _failure(problems: Sequence[CoralLockError]) -> ProblemsError:
    count = len(problems)
    return ProblemsError(
        f"the manifest can't be compiled: {count} problem{'s' * (count != 1)}; nothing was written",
        tuple(problems),
        exit_code=DOES_NOT_HOLD,
    )


def _place_of(project: Project, error: NotEvaluableError) -> str:
    path = source_path(project, error.path) if error.path else None
    shown = display_path(path) if path else error.path or PYPROJECT
    return f"{shown}:{error.line}" if error.line else shown


def _read_text(path: str) -> str | None:
    """Return the text of a manifest, or None where there is none.

    Raises:
        InputError: it can't be read, or isn't text.
    """
    from coral_lock.document.characters import decode

    shown = display_path(path)
    try:
        content = read_regular_file(path, MAX_MANIFEST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the manifest can't be read: {error.strerror}", where=shown) from None
    return decode(content, shown)
