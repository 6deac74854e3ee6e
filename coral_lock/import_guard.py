"""Keeps this command from importing what happens to be installed.

Many modules of the standard library try optional ones (`msvcrt`, `_winapi`, …) that a
platform lacks, and a file of that name in a plugin's wheel would run then. While the guard
is up, top-level imports find the standard library and what this project depends on, and
nothing else. What this project depends on comes from `PYTHONPATH` only if nothing else has it.
`sitecustomize` and `usercustomize` wait until the machine has been verified.

Before `main` runs, the interpreter has already put the directory of the command's script, or with
`-m` the working directory, before everything else on `sys.path`, and the script imports from
there. `coral_lock.pth`, which is read before that happens, therefore calls `guard_entry`.
"""

from __future__ import annotations

# `signal` imports `enum` to give these names, which takes long.
import _signal  # type: ignore[import-not-found]
import os
import sys

from coral_lock.names import OWN_MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PathFinder = next(
    finder for finder in sys.meta_path if getattr(finder, "__name__", "") == "PathFinder"
)

STARTUP_MODULES = ("sitecustomize", "usercustomize")
_LIBRARY = os.path.dirname(os.__file__)
_postponed: dict[str, list[str]] = {}


class ImportGuard:
    """A finder (PEP 451) that comes before the path.

    Args:
        refuses_others: whether modules that are neither the standard library's nor ours are
            refused; otherwise they are left to other finders.
    """

    is_coral_lock = True

    def __init__(self, *, refuses_others: bool) -> None:
        self.refuses_others = refuses_others
        self._path = [
            entry
            for entry in sys.path
            if entry == _LIBRARY or os.path.basename(entry) == "lib-dynload"
        ]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        if name in OWN_MODULES:
            return PathFinder.find_spec(name, _without_variable(sys.path))
        spec: ModuleSpec | None = PathFinder.find_spec(name, self._path)
        if name in STARTUP_MODULES:
            _postponed[name] = list(sys.path)
        if spec is None and (self.refuses_others or name in STARTUP_MODULES):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec


def raise_import_guard() -> None:
    """Let this process import the standard library and its own dependencies only."""
    lower_import_guard()
    sys.meta_path.insert(sys.meta_path.index(PathFinder), ImportGuard(refuses_others=True))


def _without_variable(path: Sequence[str]) -> list[str]:
    """Return the entries of a path that don't come from `PYTHONPATH`."""
    value = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    added = set(map(os.path.abspath, filter(None, value.split(os.pathsep))))
    return [entry for entry in path if os.path.abspath(entry) not in added] if added else [*path]


def guard_entry() -> None:
    """Prepare a process that is about to run our command: what it imports, and interrupts.

    This module is imported already, so the package is found. Another program that is also called
    `coral-runtime` may import whatever it needs. The line in `coral_lock.pth` makes the same
    check first, so that nothing is imported for others; `coral_lock.start` (PEP 829) can't.
    """
    words = sys.argv[:1] or [""]
    if words == ["-m"]:
        words = sys.orig_argv[-len(sys.argv) :]
    if not words[0].endswith(("coral-runtime", "coral_lock")):
        return
    if not any(isinstance(finder, ImportGuard) for finder in sys.meta_path):
        sys.meta_path.insert(sys.meta_path.index(PathFinder), ImportGuard(refuses_others=False))
    # Until `main` is ready for it, an interrupt ends the process without a traceback.
    is_default = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if is_default and _is_own_command(words[0]):
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def _is_own_command(word: str) -> bool:
    """Whether a module or a script is our command: the host has had one of its name for longer."""
    if word.endswith("coral_lock"):
        return True
    try:
        with open(word, "rb", buffering=0) as script:
            return b"coral_lock" in script.read(4096)
    except OSError:
        return False


def heed_interrupts() -> None:
    """Let an interrupt raise `KeyboardInterrupt` again after `guard_entry`."""
    if _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def lower_import_guard() -> None:
    """Let this process import anything again, after the machine has been verified."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, ImportGuard)]


def import_startup_modules() -> None:
    """Import what `site` would have at the start of Python, had the guard not been up.

    Python hasn't put the program's directory on the path by then.
    """
    lower_import_guard()
    for name, path in _postponed.items():
        first = [entry for entry in sys.path[:1] if entry not in path]
        del sys.path[: len(first)]
        if startup_module(name):
            # That of the standard library went before; `site` says what goes wrong, and goes on.
            sys.modules.pop(name, None)
            getattr(sys.modules["site"], f"exec{name}")()
        sys.path[:0] = first
    _postponed.clear()


def startup_module(name: str) -> str | None:
    """Return the file of `sitecustomize` or `usercustomize`, unless it is the interpreter's own."""
    specs = (each.find_spec(name, None) for each in sys.meta_path if hasattr(each, "find_spec"))
    origin = next((spec.origin for spec in specs if spec is not None), None)
    return None if os.path.dirname(origin or "") in ("", _LIBRARY) else origin


def leave_start_directory(first_argument: str) -> None:
    """Remove from `sys.path` what the interpreter put there because of how it was started.

    It is the directory of the command's script, in which every wheel may install files, or
    with `-m` the working directory: modules there would be imported before ours.

    Args:
        first_argument: `sys.argv[0]`.
    """
    if not sys.path or getattr(sys.flags, "safe_path", False):
        return
    script_directory = os.path.dirname(os.path.realpath(first_argument))
    candidates = {script_directory, os.path.dirname(os.path.abspath(first_argument))}
    try:
        candidates.add(os.getcwd())
    except OSError:
        candidates.add("")
    if sys.path[0] in candidates or sys.path[0] == "":
        del sys.path[0]
