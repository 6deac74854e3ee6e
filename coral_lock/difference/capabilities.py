"""What in a source file deserves a look: where it reaches for the system, the network, other code.

Found in the syntax tree, and nothing is run. It is a help for whoever reads the change, no proof:
what code makes of strings at run time isn't in its text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coral_lock.static.source import children, parse, start_of

CAPABILITIES = {
    "hidden": "isn't shown as it runs",
    "programs": "starts programs",
    "network": "uses the network",
    "native-code": "calls native code",
    "dynamic-code": "runs code that it makes or finds at run time",
    "imports": "changes what is imported",
    "serialization": "loads objects that can hold code",
}
"""What code can do, by a slug, as a phrase, the most telling first."""

_MODULES: Mapping[str, str] = {
    **dict.fromkeys(("subprocess", "_posixsubprocess", "pty"), "programs"),
    **dict.fromkeys(
        (
            *("socket", "_socket", "socketserver", "ftplib", "imaplib", "poplib", "smtplib"),
            *("telnetlib", "nntplib", "http", "urllib", "xmlrpc", "webbrowser"),
            *("aiohttp", "httpx", "paramiko", "requests", "urllib3", "websocket", "websockets"),
        ),
        "network",
    ),
    **dict.fromkeys(("ctypes", "_ctypes", "cffi"), "native-code"),
    **dict.fromkeys(("code", "codeop", "runpy"), "dynamic-code"),
    **dict.fromkeys(
        ("pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"),
        "serialization",
    ),
    **dict.fromkeys(("imp", "_imp", "importlib", "_frozen_importlib", "zipimport"), "imports"),
}
"""Modules of which each import and each use counts."""

_NOT_STANDARD = frozenset(
    {
        *("aiohttp", "cffi", "cloudpickle", "dill", "httpx", "paramiko", "requests", "urllib3"),
        *("websocket", "websockets"),
    }
)
"""Those of them that are distributions, which use themselves."""

_HARMLESS = (
    *("urllib.parse", "urllib.error", "urllib.response", "http.HTTPStatus", "http.HTTPMethod"),
    *("http.cookies", "importlib.metadata", "importlib.resources", "importlib.abc"),
)

_NAMES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("os.system", "os.popen", "os.fork", "os.forkpty", "os.startfile", "os.posix_spawn"),
            *("os.posix_spawnp", "asyncio.create_subprocess_exec"),
            *("asyncio.create_subprocess_shell", "os.*"),
        ),
        "programs",
    ),
    **dict.fromkeys(("asyncio.open_connection", "asyncio.start_server"), "network"),
    **dict.fromkeys(
        ("eval", "exec", "compile", "types.CodeType", "types.FunctionType", "sys.addaudithook"),
        "dynamic-code",
    ),
    **dict.fromkeys(("sys.settrace", "sys.setprofile"), "dynamic-code"),
    **dict.fromkeys(
        ("__import__", "__builtins__", "sys.meta_path", "sys.path_hooks", "site.addsitedir"),
        "imports",
    ),
}
"""Names of which each use counts."""

_INERT = re.compile(
    r"[A-Z0-9_]+|[a-zA-Z]*(?:Error|Exception|Expired|Warning)|dumps?|Pickler|sizeof|c_[a-z0-9_]+"
)
"""Attributes of those modules that do nothing: constants, exceptions, types, and what writes."""

_FAMILIES = re.compile(r"os\.(?:exec|spawn)[lv]p?e?")
_CHANGEABLE = frozenset({"sys.path", "sys.modules", "sys.path_importer_cache"})
"""What counts only where it is changed."""

_CHANGING = frozenset(
    {"append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update", "__setitem__"}
)
_LOOKED_INTO = frozenset({"os", "sys", "builtins", "subprocess", "importlib"})
"""Modules whose attributes somebody may want to get by a name that isn't in the text."""

_DECODERS = frozenset({"base64", "binascii", "bz2", "codecs", "lzma", "marshal", "zlib"})

_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_MAX_USES = 1000
_MAX_PARTS = 10
_MAX_TEXT = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A place that deserves a look.

    Attributes:
        capability: one of `CAPABILITIES`.
        name: what is used, e.g. `subprocess.run`.
        path: the file.
        line: the line, from 1.
        text: that line without the space around it; of a long one the part that is meant.
    """

    capability: str
    name: str
    path: str
    line: int
    text: str

    @property
    def meaning(self) -> str:
        """What code can do with it, as a phrase."""
        return CAPABILITIES[self.capability]


def uses_in(source: bytes, path: str) -> tuple[Use, ...]:
    """Return what a source file uses that deserves a look, by line; at most a thousand.

    Raises:
        NotEvaluableError: it can't be parsed, as `static.source.parse` says.
    """
    search = _Search(source, parse(source, path), path)
    return tuple(sorted(search.found, key=lambda use: (use.line, use.name)))


class _Search:
    """The uses in one file, each once a line."""

    def __init__(self, source: bytes, tree: ast.Module, path: str) -> None:
        self._path = path
        top = path.partition("/")[0].removesuffix(".py")
        self._own = top if top in _NOT_STANDARD else ""
        self._lines = _NEWLINE.split(source)
        self._origins: dict[str, str] = {}
        self._within: set[ast.AST] = set()
        self.found: set[Use] = set()
        nodes = list(_walk(tree))
        for node in nodes:
            # A use may come before the import in the file, and after it in time.
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._bind(node)
        imported = {origin.partition(".")[0] for origin in self._origins.values()}
        self._decoder = min(_DECODERS & imported, default="")
        for node in nodes:
            self._look_at(node)
        for number, line in enumerate(self._lines, 1):
            if not line.isascii() and _BIDIRECTIONAL.search(line.decode("utf-8", "replace")):
                self._add("hidden", "bidirectional text", number)

    def _bind(self, node: ast.Import | ast.ImportFrom) -> None:
        """Take in what an import binds, and whether it deserves a look itself."""
        if isinstance(node, ast.ImportFrom) and node.level:
            return
        base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            origin = ".".join((base + alias.name).split(".", _MAX_PARTS)[:_MAX_PARTS])
            name = alias.asname or alias.name.partition(".")[0]
            is_whole = isinstance(node, ast.ImportFrom) or alias.asname is not None
            self._origins[name] = origin if is_whole else name
            self._judge(origin, node, is_import=True)

    def _look_at(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Attribute, ast.Name)):
            if node not in self._within and isinstance(node.ctx, ast.Load):
                self._judge(self._origin(node), node)
        elif isinstance(node, ast.Call):
            self._look_at_call(node)
        elif isinstance(node, (ast.Assign, ast.Delete)):
            for target in node.targets:
                self._look_at_target(target)
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            self._look_at_target(node.target)

    def _look_at_call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            changed = self._origin(node.func.value)
            if node.func.attr in _CHANGING and changed in _CHANGEABLE:
                self._add("imports", f"{changed}.{node.func.attr}", node)
        elif isinstance(node.func, ast.Name) and node.args:
            module = self._origin(node.args[0])
            if node.func.id == "getattr" and module in _LOOKED_INTO and len(node.args) > 1:
                name = node.args[1]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    self._judge(f"{module}.{name.value}", node)
                else:
                    self._add("dynamic-code", f"getattr({module}, …)", node)
            elif node.func.id in ("setattr", "vars") and module in _LOOKED_INTO:
                self._add("dynamic-code", f"{node.func.id}({module}, …)", node)

    def _look_at_target(self, target: ast.expr) -> None:
        """Look at what a statement assigns to or deletes."""
        waiting = [target]
        while waiting:
            node = waiting.pop()
            if isinstance(node, (ast.Tuple, ast.List)):
                waiting += node.elts
            elif isinstance(node, (ast.Subscript, ast.Starred)):
                waiting.append(node.value)
            elif isinstance(node, ast.Attribute):
                origin = self._origin(node)
                if origin in _CHANGEABLE or origin.startswith("builtins.") or origin in _NAMES:
                    self._add("imports", f"{origin} =", node)

    def _origin(self, node: ast.AST) -> str:
        """Return the dotted name of what a name or an attribute is, empty where it isn't known."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
            self._within.add(node)
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self._origins.get(node.id, node.id if not parts else ""))
        return ".".join(parts[: -_MAX_PARTS - 1 : -1]) if parts[-1] else ""

    def _judge(self, origin: str, node: ast.stmt | ast.expr, *, is_import: bool = False) -> None:
        """Add a use of a dotted name if it deserves a look."""
        origin = origin.removeprefix("builtins.")
        if any(origin == each or origin.startswith(f"{each}.") for each in _HARMLESS):
            return
        name = capability = None
        parts = origin.split(".")
        for end in range(len(parts), 0, -1):
            name = ".".join(parts[:end])
            capability = _NAMES.get(name) or ("programs" if _FAMILIES.fullmatch(name) else None)
            if capability:
                break
        else:
            capability = _MODULES.get(parts[0])
            # A module alone is a part of what is done with it.
            is_inert = not is_import and (len(parts) == 1 or _INERT.fullmatch(parts[-1]))
            if is_inert or parts[0] == self._own:
                return
            name = origin
        if capability and name:
            if name in ("eval", "exec") and self._decoder:
                name = f"{name} beside {self._decoder}"
                capability = "hidden"
            self._add(capability, name, node)

    def _add(self, capability: str, name: str, place: int | ast.stmt | ast.expr) -> None:
        """Add a use, which a node has, or a line as a whole."""
        line, column = (place, 0) if isinstance(place, int) else start_of(place)
        if len(self.found) < _MAX_USES:
            content = self._lines[line - 1] if line <= len(self._lines) else b""
            if len(content) > _MAX_TEXT:
                content = content[column : column + _MAX_TEXT]
            text = content.decode("utf-8", "replace").strip()
            use = Use(capability=capability, name=name, path=self._path, line=line, text=text)
            self.found.add(use)


def _walk(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all nodes, each before those beneath it; a tree may be deeper than Python's stack."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)
