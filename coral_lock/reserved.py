"""What a distribution can't put anywhere unasked: other people's names, and what runs first."""

from __future__ import annotations

import sys

from coral_lock.errors import abridged, quoted
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.names import CORE_DISTRIBUTION, HOST_MODULE, INFERENCE_DISTRIBUTIONS, OWN_MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

ACCEPTABLE = ("foreign-file", "loader-path", "loader-preload", "pth-file")
"""The findings that a descriptor can accept from a distribution."""

_STANDARD_LIBRARY = "the standard library"
_OURSELVES = "coral-lock"
_HOST_OWNERS = {HOST_MODULE: (CORE_DISTRIBUTION,), "inference": INFERENCE_DISTRIBUTIONS}
_IMPORTABLE = (".py", ".pyc", ".so", ".pyd")
_STARTUP_SUFFIXES = (".pth", ".start")
_STARTUP_MODULES = ("sitecustomize", "usercustomize")
_COMMAND = "coral-runtime"
_OUR_COMMAND = f"the command `{_COMMAND}`"
_INTERPRETER_FILES = ("pybuilddir.txt", "pyvenv.cfg")
_MAX_NAMED = 5


class Placed:
    """Where a distribution puts files.

    Args:
        site_paths: the paths of files under the site root.
        outside: the paths of scripts, headers and data, as `installed.outside` has them, those
            that installers generate among them.

    Attributes:
        tops: the names of files and directories in the site root.
        outside: as given.
    """

    def __init__(self, site_paths: Iterable[str], outside: Iterable[str] = ()) -> None:
        self.tops = frozenset([path.partition("/")[0] for path in site_paths])
        self.outside = tuple(outside)


def is_startup_file(top: str) -> bool:
    """Whether Python runs a file of this name in a site directory at every start.

    `site` runs lines of `*.pth` and imports the two modules; from Python 3.15 on it also
    calls what `*.start` files name (PEP 829).
    """
    return top.endswith(_STARTUP_SUFFIXES) or _module(top) in _STARTUP_MODULES


def owner_of(top: str, distribution: str) -> str | None:
    """Return to whom else the module with this name in the site root belongs, or None."""
    module = _module(top)
    if module is None or is_startup_file(top):
        return None
    if module in OWN_MODULES:
        owner = OWN_MODULES[module]
        return None if owner == distribution else owner
    if module in _HOST_OWNERS:
        owners = _HOST_OWNERS[module]
        return None if distribution in owners else owners[0]
    return _STANDARD_LIBRARY if module in sys.stdlib_module_names else None


def _module(name: str) -> str | None:
    """Return the module that a file or a directory can be imported as, None if there is none."""
    if name.endswith(_IMPORTABLE):
        return name.partition(".")[0]
    return None if "." in name else name


def reserved_findings(
    distribution: str, files: Placed, *, provides_plugins: bool, accepted: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield what a distribution takes that isn't its own.

    It is an error where it provides plugins, or would replace coral-lock or the interpreter,
    and a warning elsewhere: libraries have reasons that a plugin doesn't.

    Args:
        distribution: its normalized name.
        files: where it puts files.
        provides_plugins: whether a plugin of the lock comes from it.
        accepted: the codes of the findings that the descriptor accepts from it.
    """
    if distribution == _OURSELVES:
        return
    taken: dict[str, list[str]] = {}
    replaced: dict[str, list[str]] = {}
    for top in sorted(files.tops):
        owner = owner_of(top, distribution)
        if owner == _OURSELVES:
            replaced.setdefault("coral-lock itself", []).append(top)
        elif owner is not None:
            taken.setdefault(owner, []).append(top)
    for path in sorted(files.outside):
        what = _replaced(path)
        # The core host has had a command of this name for longer.
        if what and not (distribution == CORE_DISTRIBUTION and what == _OUR_COMMAND):
            replaced.setdefault(what, []).append(path)

    def finding(code: str, summary: str, paths: Sequence[str], hint: str) -> Finding:
        named = abridged([quoted(path) for path in paths], _MAX_NAMED)
        return Finding(
            code=code,
            subject=distribution,
            summary=f"`{distribution}` {summary.format(named)}",
            where=paths[0],
            hint=hint,
        )

    def acceptable(code: str, summary: str, paths: Sequence[str], remedy: str) -> Iterator[Finding]:
        if not paths or code in accepted:
            return
        remedy = f"{remedy}, or" if provides_plugins else "see what it does, and"
        accept = f"`distributions: {{{distribution}: {{accept: [{code}]}}}}`"
        hint = f"{remedy} accept it in the descriptor: {accept}"
        severity = ERROR if provides_plugins else WARNING
        yield finding(code, summary, paths, hint).replace(severity=severity)

    startup = sorted(filter(is_startup_file, files.tops))
    summary = "ships {}, which runs at every start of Python, locked or not"
    yield from acceptable("pth-file", summary, startup, "do its work in `activate`")
    for owner, tops in taken.items():
        shown = owner if owner == _STANDARD_LIBRARY else f"`{owner}`"
        summary = f"ships modules whose names belong to {shown}: {{}}"
        yield from acceptable("foreign-file", summary, tops, "give them other names")
    for what, paths in replaced.items():
        hint = "don't install it: whoever controls that file controls every check"
        yield finding("replaces-runtime", f"would replace {what}: {{}}", paths, hint)
    shadowing = [path for path in sorted(files.outside) if shadows(path)]
    if shadowing:
        summary = (
            "puts {} beside the commands, which would import it instead of the module of that name"
        )
        hint = "give the script another name, or leave it out of the wheel"
        yield finding("shadowing-script", summary, shadowing, hint)


def _replaced(path: str) -> str | None:
    """Return what a script or a data file would replace, or None."""
    scheme, _, rest = path.lower().partition("/")
    directory, _, name = rest.rpartition("/")
    command = name.removesuffix(".exe").removesuffix("-script.py").removesuffix(".py")
    if scheme == "scripts" and not directory and command == _COMMAND:
        return _OUR_COMMAND
    # What follows `python` in the name of an interpreter or its library is its version.
    rest = name.removeprefix("python").removesuffix(".exe").removesuffix(".dll")
    is_interpreter = (not directory and scheme in ("scripts", "data")) and (
        name in _INTERPRETER_FILES
        or name.endswith("._pth")
        or (name.startswith("python") and not rest.strip("0123456789.tw"))
    )
    is_library = scheme == "data" and directory in ("lib", "lib64") and name.startswith("libpython")
    return "the interpreter or its configuration" if is_interpreter or is_library else None


def shadows(path: str) -> bool:
    """Whether commands beside this script would import it instead of a module that they need.

    The directory of a script comes first on `sys.path`.
    """
    scheme, _, rest = path.partition("/")
    top, slash, _ = rest.partition("/")
    module = top if slash else _module(top) if top.endswith(_IMPORTABLE) else None
    return scheme == "scripts" and (module in OWN_MODULES or module in sys.stdlib_module_names)
