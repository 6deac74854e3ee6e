"""Files that run before everything else: at the start of Python, and beside the commands."""

from __future__ import annotations

import os
import sys

from coral_lock.installed.files import MAX_RECORD_BYTES
from coral_lock.record import Record
from coral_lock.reserved import shadows
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.site_scan import Scan
    from coral_lock.verification.machine import Environment

_OWN = ("coral_lock.pth", "coral_lock.start")
"""What the wheel of coral-lock itself ships, which puts children under the lock."""

_SITE_DIRECTORIES = ("site-packages", "dist-packages")
_MODULES = ("sitecustomize", "usercustomize")


class StartupFile(Record):
    """A file, or a package, that Python runs at every start: its name in a site root."""

    root: str
    name: str

    @property
    def place(self) -> str:
        """Its absolute path."""
        return os.path.join(self.root, self.name)

    def paths_in(self, paths: Collection[str]) -> list[str]:
        """Return which of the paths relative to its root it is."""
        if self.name in paths:
            return [self.name]
        below = f"{self.name}/"
        return [] if "." in self.name else [path for path in paths if path.startswith(below)]


def startup_files(scan: Scan, environment: Environment) -> tuple[StartupFile, ...]:
    """Return the files that Python runs at every start, but for those of coral-lock.

    `site` looks for them in site directories, and for the two modules on all of the path. The
    standard library is the interpreter's business.

    Args:
        scan: what is on the path.
        environment: whose path it is.
    """
    library = os.path.dirname(os.path.abspath(os.__file__))
    return tuple(
        StartupFile(root=root, name=name)
        for root, name in scan.startup_files
        if name not in _OWN
        and root != library
        and (
            environment.is_image
            or os.path.basename(root) in _SITE_DIRECTORIES
            or name.startswith(_MODULES)
        )
    )


def may_own(location: Location, files: Sequence[StartupFile]) -> bool:
    """Whether a distribution's RECORD has a row for one of the files."""
    names = [file.name for file in files if file.root == location.root]
    if not names:
        return False
    try:
        record = read_regular_file(os.path.join(location.path, "RECORD"), MAX_RECORD_BYTES)
    except OSError:
        return False
    return any(name.encode("utf-8", "surrogateescape") in record for name in names)


def loaded_files(root: str) -> set[str]:
    """Return the files beneath a site root that modules of this process were loaded from.

    Their paths are relative to the root, with `/`.
    """
    prefix = os.path.join(root, "")
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {
        file[len(prefix) :].replace(os.sep, "/")
        for file in files
        if isinstance(file, str) and file.startswith(prefix)
    }


def shadowing_scripts(environment: Environment) -> dict[str, str]:
    """Return, by name, the places of what is beside the commands and shadows modules for them."""
    directory = os.path.dirname(environment.executable or "")
    try:
        names = os.listdir(directory) if directory else []
    except OSError:
        return {}
    places = {name: os.path.join(directory, name) for name in sorted(names)}
    return {
        name: place
        for name, place in places.items()
        if shadows(f"scripts/{name}") or (shadows(f"scripts/{name}/") and os.path.isdir(place))
    }
