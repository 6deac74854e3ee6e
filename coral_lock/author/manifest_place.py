"""Which file of a project is the manifest of an entry point's package."""

from __future__ import annotations

import os

from coral_lock.author.project import display_path, is_inside, source_directory, source_path
from coral_lock.errors import InputError
from coral_lock.manifest.model import MANIFEST_NAME, manifest_paths
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.author.project import Project


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
