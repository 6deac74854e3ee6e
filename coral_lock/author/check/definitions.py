"""Whether entry points resolve, proven from the sources without importing them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.machinery import EXTENSION_SUFFIXES

from coral_lock.budget import Allowance, OverBudgetError
from coral_lock.document.node import nearest
from coral_lock.static.source import NotEvaluableError, parse

PROVEN = "proven"
UNPROVEN = "unproven"
ABSENT = "absent"

_DYNAMIC = (b"globals(", b"vars(", b"exec(", b"setattr(", b"sys.modules")
"""What can bind a module's names without naming them."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The outcome of looking for an attribute.

    Args:
        status: `proven`, `unproven` or `absent`.
        reason: why it isn't proven, as a phrase without a final period.
        path: the file that defines it or is to blame, relative to the site root; empty
            where there is none.
        line: the line in that file, from 1; 0 where no line is to blame.
        column: the column in that line, from 1.
        hint: what may have been meant.
    """

    status: str
    reason: str = ""
    path: str = ""
    line: int = 0
    column: int = 0
    hint: str | None = None


class _Module:
    """A module's source: the names that it binds, each with its nodes and what they import."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        self.name = name
        self.path = path
        self.source = source
        self.tree: ast.Module = parse(source, path)
        self.bindings: dict[str, list[tuple[ast.AST, str]]] = {}
        self.star_imports: list[ast.ImportFrom] = []
        for node in _of_module_scope(self.tree):
            for bound, place, imported in _bound(node):
                self.bindings.setdefault(bound, []).append((place, imported))
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                self.star_imports.append(node)

    def absolute(self, node: ast.ImportFrom) -> str | None:
        """Return the module that a `from` import names; None outside of the package (PEP 328)."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        if not self.path.endswith("/__init__.py"):
            parts.pop()
        kept = len(parts) - node.level + 1
        return ".".join((*parts[:kept], *filter(None, (node.module,)))) if kept > 0 else None

    def at(self, status: str, node: ast.AST, reason: str = "") -> Resolution:
        """Return a resolution at the place of a node."""
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        before = self.source.split(b"\n", line)[line - 1 : line]
        column = len(b"".join(before)[:offset].decode("utf-8", "replace")) + 1
        return Resolution(status=status, reason=reason, path=self.path, line=line, column=column)


class Definitions:
    """Finds what the modules of one distribution define.

    Args:
        read_source: takes a path relative to the site root, with slashes, and returns the
            content of that file of the distribution, or None.
    """

    def __init__(self, read_source: Callable[[str], bytes | None]) -> None:
        self._read = Allowance().reading(read_source)
        self._modules: dict[str, _Module | Resolution] = {}

    def resolve(self, module: str, attribute: str) -> Resolution:
        """Return whether `module` is one of the distribution's and has that attribute.

        Imports of the distribution's own modules are followed.

        Args:
            module: the dotted name.
            attribute: a name, or names joined by dots.
        """
        found = self._module(module)
        if isinstance(found, Resolution):
            return found
        name, _, rest = attribute.partition(".")
        resolution, node = self._name(found, name, set())
        if not rest or resolution.status != PROVEN:
            return resolution
        if isinstance(node, ast.ClassDef):
            if rest in _class_names(node):
                return resolution
            if not (node.bases or node.keywords or node.decorator_list or "." in rest):
                reason = f"`{rest}` isn't defined in the class `{node.name}`"
                return replace(resolution, status=ABSENT, reason=reason)
        reason = f"`{attribute}` is an attribute of an object"
        return replace(resolution, status=UNPROVEN, reason=reason)

    def place_of_text(self, resolution: Resolution, text: str) -> Resolution:
        """Return the place of a string literal that the object of a resolution contains.

        It is looked for after the definition first, then in the rest of its file; the
        definition itself is the answer where the text isn't a literal.
        """
        for module in self._modules.values():
            if isinstance(module, _Module) and module.path == resolution.path:
                places = sorted(
                    (place.line, place.column)
                    for node in ast.walk(module.tree)
                    if isinstance(node, ast.Constant) and node.value == text
                    for place in (module.at(PROVEN, node),)
                )
                start = (resolution.line, resolution.column)
                for line, column in [place for place in places if place >= start] or places:
                    return replace(resolution, line=line, column=column)
        return resolution

    def _module(self, name: str) -> _Module | Resolution:
        if name not in self._modules:
            try:
                self._modules[name] = self._load(name)
            except OverBudgetError as error:
                return Resolution(status=UNPROVEN, reason=error.message)
        return self._modules[name]

    def _load(self, name: str) -> _Module | Resolution:
        for path in source_files(name):
            source = self._read(path)
            if source is not None:
                try:
                    return _Module(name, path, source)
                except NotEvaluableError as error:
                    return Resolution(
                        status=ABSENT if error.line else UNPROVEN,
                        reason=error.reason,
                        path=path,
                        line=error.line,
                        column=1,
                    )
        stem = name.replace(".", "/")
        for suffix in EXTENSION_SUFFIXES:
            for path in (f"{stem}{suffix}", f"{stem}/__init__{suffix}"):
                if self._read(path) is not None:
                    reason = f"`{name}` is compiled, it has no source"
                    return Resolution(status=UNPROVEN, reason=reason, path=path)
        reason = f"the module `{name}` isn't among the distribution's files"
        return Resolution(status=ABSENT, reason=reason)

    def _name(
        self, module: _Module, name: str, seen: set[tuple[str, str]]
    ) -> tuple[Resolution, ast.AST | None]:
        """Return whether a module binds a name, and the node that does.

        `seen` has the modules and names that led here, which would lead here again.
        """
        if (module.name, name) in seen:
            return Resolution(status=ABSENT), None
        seen.add((module.name, name))
        bindings = module.bindings.get(name, ())
        for node, imported in bindings:
            if not imported:
                return module.at(PROVEN, node), node
        for node, imported in reversed(bindings):
            if not isinstance(node, ast.ImportFrom):
                return module.at(PROVEN, node), node
            return self._imported(module, node, imported, seen)
        for star in module.star_imports:
            origin = self._origin(module, star)
            if isinstance(origin, Resolution):
                reason = f"it may come from a `*` import: {origin.reason}"
                return module.at(origin.status, star, reason), None
            if not name.startswith("_") or "__all__" in origin.bindings:
                resolution, through = self._name(origin, name, seen)
                if resolution.status != ABSENT:
                    return resolution, through
        return self._unbound(module, name), None

    def _imported(
        self, module: _Module, node: ast.ImportFrom, name: str, seen: set[tuple[str, str]]
    ) -> tuple[Resolution, ast.AST | None]:
        origin = self._origin(module, node)
        if isinstance(origin, _Module):
            resolution, through = self._name(origin, name, seen)
            if resolution.status != ABSENT:
                return resolution, through
            reason = f"`{name}` isn't defined in `{origin.name}`"
            origin = replace(resolution, reason=reason)
        package = module.absolute(node)
        if package is not None and isinstance(self._module(f"{package}.{name}"), _Module):
            return module.at(PROVEN, node), node
        return module.at(origin.status, node, origin.reason), None

    def _origin(self, module: _Module, node: ast.ImportFrom) -> _Module | Resolution:
        """Return the distribution's own module that a `from` import names."""
        origin = module.absolute(node)
        if origin is None:
            return Resolution(
                status=ABSENT, reason="a relative import leads outside of the package"
            )
        found = self._module(origin)
        if isinstance(found, _Module) or found.path:
            return found
        top = self._module(origin.partition(".")[0])
        if isinstance(top, _Module) or top.path:
            return found
        return Resolution(status=UNPROVEN, reason=f"it comes from another package, `{origin}`")

    def _unbound(self, module: _Module, name: str) -> Resolution:
        if "__getattr__" in module.bindings:
            reason = f"`{module.name}` makes its attributes in `__getattr__`"
            return module.at(UNPROVEN, module.bindings["__getattr__"][0][0], reason)
        similar = nearest(name, module.bindings)
        found = Resolution(
            status=ABSENT,
            reason=f"`{name}` isn't defined in `{module.name}`",
            path=module.path,
            line=1,
            column=1,
            hint=f"did you mean `{module.name}:{similar}`?" if similar else None,
        )
        for word in _DYNAMIC:
            if word in module.source:
                line = module.source.count(b"\n", 0, module.source.index(word)) + 1
                reason = f"`{word.decode()}…` may bind it"
                return replace(found, status=UNPROVEN, reason=reason, line=line, hint=None)
        return found


def _of_module_scope(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that are run when a module is imported, in the order of the source.

    Of functions and classes they are the `global` statements in them, of comprehensions the
    assignments, of `if TYPE_CHECKING:` none.
    """
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, _SCOPES):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Global))
        elif isinstance(node, _COMPREHENSIONS):
            walrus = (inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
            yield from (inner.target for inner in walrus)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            stack += reversed(node.orelse)
        else:
            stack += reversed(list(ast.iter_child_nodes(node)))


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
    """Yield the names that a node binds, the node that stands for each, and what it imports."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        yield node.name, node, ""
    elif isinstance(node, ast.Global):
        yield from ((name, node, "") for name in node.names)
    elif isinstance(node, ast.Assign):
        names = (target.id for target in node.targets if isinstance(target, ast.Name))
        yield from ((name, node.value, "") for name in names)
    elif isinstance(node, ast.AnnAssign):
        if node.value is not None and isinstance(node.target, ast.Name):
            yield node.target.id, node.value, ""
        elif isinstance(node.target, ast.Name):
            # It states a type and binds nothing; its `Name` is visited next.
            node.target.ctx = ast.Load()
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, node, ""
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0], node, alias.name
    elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name, node, ""


def _class_names(node: ast.ClassDef) -> Iterator[str]:
    return (name for child in node.body for name, _, _ in _bound(child))


def source_files(module: str) -> tuple[str, str]:
    """Return the paths under the site root at which a module's source can be."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py", f"{path}.py"
