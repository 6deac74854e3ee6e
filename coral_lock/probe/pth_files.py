"""What the `.pth` files of site directories add to the path, without running any of them."""

from __future__ import annotations

import os

from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_BYTES = 1 << 20
_MAX_ENTRIES = 1000


def with_pth_entries(directories: Iterable[str]) -> tuple[str, ...]:
    """Return the path that `site` makes of site directories.

    Behind each directory stand the paths that its `.pth` files name, in the order of the
    files' names. Lines that begin with `import` would be run, and are passed over; so is
    what doesn't exist, and a file that can't be read. At most a thousand paths are taken.

    Args:
        directories: the site directories; one that isn't there is left out.
    """
    path: list[str] = []
    known: set[str] = set()
    for directory in map(os.path.abspath, directories):
        if not os.path.isdir(directory):
            continue
        for entry in (directory, *_entries(directory)):
            if os.path.normcase(entry) not in known and len(path) < _MAX_ENTRIES:
                known.add(os.path.normcase(entry))
                path.append(entry)
    return tuple(path)


def _entries(directory: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        if name.endswith(".pth") and not name.startswith("."):
            yield from _lines(directory, name)


def _lines(directory: str, name: str) -> Iterator[str]:
    try:
        text = read_regular_file(os.path.join(directory, name), _MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", "import ", "import\t")) or "\0" in line:
            continue
        entry = os.path.abspath(os.path.join(directory, line.rstrip()))
        if os.path.exists(entry):
            yield entry
