"""A distribution's own source files as syntax trees, found as `import` would find them.

A module knows the names that it and its functions bind, and how certain each binding is.
"""

from __future__ import annotations

import _imp
import ast
import io
import re
import sys
import tokenize
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import resolve_name
from typing import NoReturn, TypeAlias

from coral_lock.budget import Budget

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Position: TypeAlias = tuple[int, int]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)
_LEAVES = (ast.Constant, ast.expr_context, ast.operator)

_CONDITIONAL = "is assigned more than once or under a condition"

MAX_SOURCE = 1 << 18 if sys.version_info >= (3, 11) else 1 << 17
"""The largest source that is parsed, as a byte of it can become a kilobyte of syntax tree.
Python 3.10 builds the tree without a limit of depth, and needs a source of twice its limit
to overflow its stack."""

_LOOKUP_STEPS = 10
_MODULE_STEPS = 100

_REDIRECTIONS = (b"__path__", b"sys.modules", b"meta_path", b"path_hooks")

_MAX_NAME_PARTS = 1000
_NAME_PART = re.compile(rb"[\s\\]*[\w\x80-\xff]+[\s\\]*")

_PLAIN_ENCODINGS = ("utf-8", "utf-8-sig", "ascii", "us-ascii", "iso-8859-1", "iso-8859-15")


class NotEvaluableError(Exception):
    """What an entry point yields isn't certain from the sources alone.

    Args:
        reason: why, as a phrase without a final period.
        path: the file, relative to the site root; empty where there is none.
        line: the line in that file, from 1, or 0 for the whole file.
    """

    def __init__(self, reason: str, path: str, line: int) -> None:
        super().__init__(reason, path, line)
        self.reason = reason
        self.path = path
        self.line = line

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}" if place else self.reason


class BrokenModuleError(NotEvaluableError):
    """A module isn't one of the distribution's, or doesn't parse, so it can't be imported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """How a scope binds a name.

    Attributes:
        node: the value's expression, or the statement: a definition or an import.
        alias: of an import, the part of the statement that binds the name.
        problem: why the value can't be known, as a phrase that follows the name.
    """

    node: ast.AST
    alias: ast.alias | None = None
    problem: str = ""


class Scope:
    """The names that a module, a class or a function binds.

    A value can be known without running it only where one statement at the scope's own level
    binds the name: an assignment, a definition or an import. Everything else that can bind a
    name is a problem.

    Attributes:
        module: the module.
        bindings: the bindings of each name.
        star_imports: the `from … import *` statements.
        is_module: whether it is the scope of the module itself.
    """

    __slots__ = ("_bound", "bindings", "is_module", "module", "star_imports")

    def __init__(
        self, module: SourceModule, node: ast.Module | ast.ClassDef | FunctionNode
    ) -> None:
        self.module = module
        self.bindings: dict[str, list[Binding]] = {}
        self.star_imports: list[ast.ImportFrom] = []
        self.is_module = isinstance(node, ast.Module)
        self._bound: set[ast.AST] = set()
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Global, ast.Nonlocal)):
                for name in inner.names:
                    self._bind(name, inner, f"is declared `{type(inner).__name__.lower()}`")
        if isinstance(node, FUNCTIONS):
            for inner in ast.walk(node.args):
                if isinstance(inner, ast.arg):
                    self._bind(inner.arg, inner, "is a parameter")
        level = set(node.body)
        for inner in own_nodes(node.body):
            self._take(inner, "" if inner in level else _CONDITIONAL)

    def owner(self, name: str) -> Scope:
        """Return the scope in which a name is looked up here: this one, or the module's."""
        return self if name in self.bindings else self.module.scope

    def binding(self, name: str) -> Binding | None:
        """Return what binds a name, with a problem where there is more than that."""
        bindings = self.bindings.get(name)
        if not bindings:
            return None
        self.module.step(len(bindings))
        for binding in bindings:
            if binding.problem:
                return binding
        return bindings[0] if len(bindings) == 1 else replace(bindings[-1], problem=_CONDITIONAL)

    def _take(self, node: ast.AST, problem: str) -> None:
        """Take in what a node itself binds."""
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            self._bind(node.name, node, problem)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name
                if isinstance(node, ast.ImportFrom) and name == "*":
                    self.star_imports.append(node)
                else:
                    self._bind(alias.asname or name, node, problem, alias)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target for target in targets if isinstance(target, ast.Name)]
            if len(names) < len(targets):
                return
            if len(names) > 1 and not isinstance(node.value, ast.Constant):
                problem = problem or "shares its value with another name"
            for target in names:
                self._bind(target.id, node.value, problem)
            self._bound.update(names)
        elif isinstance(node, ast.AnnAssign):
            self._bound.add(node.target)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            if node not in self._bound:
                self._bind(node.id, node, _CONDITIONAL)
        elif isinstance(node, (ast.ExceptHandler, ast.pattern)):
            bound = getattr(node, "name", None) or getattr(node, "rest", None)
            if bound:
                self._bind(bound, node, _CONDITIONAL)

    def _bind(self, name: str, node: ast.AST, problem: str, alias: ast.alias | None = None) -> None:
        binding = Binding(node=node, alias=alias, problem=problem)
        self.bindings.setdefault(name, []).append(binding)


def own_nodes(statements: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Yield all nodes of statements in their order, but for the bodies of functions and classes.

    The stack is its own: a tree may be deeper than Python's.
    """
    stack: list[ast.AST] = [*reversed(statements)]
    while stack:
        node = stack.pop()
        yield node
        body = body_of(node)
        stack += [child for child in reversed(children(node)) if child not in body]


def body_of(node: ast.AST) -> Collection[ast.AST]:
    """Return the body of a function, a lambda or a class; nothing of other nodes."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return set(node.body)
    return (node.body,) if isinstance(node, ast.Lambda) else ()


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes directly beneath a node, but for those that name and hold nothing."""
    return [child for child in ast.iter_child_nodes(node) if not isinstance(child, _LEAVES)]


def start_of(node: ast.AST) -> Position:
    """Return the line and column where a node begins."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


class SourceModule:
    """A module of the distribution: its dotted name, its file and its syntax tree.

    `step` counts what looking at it costs.
    """

    __slots__ = ("_function_scopes", "is_package", "name", "path", "scope", "step", "tree")

    def __init__(self, name: str, path: str, tree: ast.Module, step: Callable[[int], None]) -> None:
        self.name = name
        self.path = path
        self.is_package = path.endswith("/__init__.py")
        self.tree = tree
        self.scope = Scope(self, tree)
        self.step = step
        self._function_scopes: dict[FunctionNode, Scope] = {}

    def function_scope(self, function: FunctionNode) -> Scope:
        """Return the scope of one of the module's functions."""
        if function not in self._function_scopes:
            self._function_scopes[function] = Scope(self, function)
        return self._function_scopes[function]

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the dotted name of the module that a `from` import names (PEP 328).

        Raises:
            NotEvaluableError: it leads outside of the package.
        """
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        try:
            return resolve_name("." * node.level + (node.module or ""), package)
        except ImportError:
            self.refuse("a relative import leads outside of the package", node)

    def refuse(self, reason: str, node: ast.AST | None = None) -> NoReturn:
        """Raise `NotEvaluableError` for a node of this module."""
        raise NotEvaluableError(reason, self.path, getattr(node, "lineno", 0))


class Sources:
    """The modules of one distribution, each read and parsed once.

    Args:
        read_source: takes a path relative to the site root, with slashes
            (`my_package/coral_plugins.py`), and returns the content of that file if it is
            the distribution's own, else None.
        budget: what reading and evaluating them may cost.
    """

    def __init__(
        self, read_source: Callable[[str], bytes | None], budget: Budget | None = None
    ) -> None:
        self._budget = budget or Budget(Budget())
        self._read = cache(self._budget.reading(read_source))
        self._modules: dict[str, SourceModule | NotEvaluableError | None] = {}

    def module(self, name: str) -> SourceModule | None:
        """Return the module of that dotted name, or None if the distribution has no source of it.

        Raises:
            NotEvaluableError: it isn't certain which file is imported, or its source
                can't be parsed.
            OverBudgetError: the distribution has too much source.
        """
        if name not in self._modules:
            self._budget.spend("steps", _LOOKUP_STEPS)
            try:
                self._modules[name] = self._load(name)
            except NotEvaluableError as error:
                self._modules[name] = error
        module = self._modules[name]
        if isinstance(module, NotEvaluableError):
            raise module
        return module

    def required_module(self, name: str) -> SourceModule:
        """Return the module of that dotted name.

        Raises:
            NotEvaluableError: there is none, or as `module` does.
        """
        module = self.module(name)
        if module is not None:
            return module
        path = name.replace(".", "/")
        if _is_standard(name):
            raise BrokenModuleError(f"`{name}` is a module of the standard library", path, 0)
        raise BrokenModuleError(f"the distribution has no module `{name}`", path, 0)

    def _load(self, name: str) -> SourceModule | None:
        if _is_standard(name):
            return None
        base = name.replace(".", "/")
        # Before a module comes a package of that name, and before a source what is compiled.
        for stem in (f"{base}/__init__", base):
            source = self._read(f"{stem}.py")
            for suffix in (*_imp.extension_suffixes(), *([".pyc"] if source is None else [])):
                if self._read(stem + suffix) is not None:
                    raise NotEvaluableError(f"`{name}` is compiled", stem + suffix, 0)
            if source is not None:
                path = f"{stem}.py"
                self._refuse_redirections(name)
                self._budget.spend("steps", _MODULE_STEPS)
                step = partial(self._budget.spend, "steps")
                return SourceModule(name, path, parse(source, path), step)
        return None

    def _refuse_redirections(self, name: str) -> None:
        """Refuse where a parent package may lead the import of `name` elsewhere."""
        parts = name.split(".")
        for depth in range(1, len(parts)):
            path = "/".join((*parts[:depth], "__init__.py"))
            source = self._read(path) or b""
            for word in _REDIRECTIONS:
                if word in source:
                    reason = f"`{word.decode()}` may redirect the import of `{name}`"
                    raise NotEvaluableError(reason, path, 0)


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def parse(source: bytes, path: str) -> ast.Module:
    """Return the syntax tree of a source file, decoded by PEP 263.

    Raises:
        NotEvaluableError: it isn't Python of this interpreter's version, is larger than
            `MAX_SOURCE`, or is nested too deep for the parser.
    """
    if len(source) > MAX_SOURCE:
        raise NotEvaluableError(f"the source has more than {MAX_SOURCE >> 10} KiB", path, 0)
    if _has_endless_name(source):
        raise NotEvaluableError("the source is nested too deep", path, 0)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        # Some encodings decode in quadratic time.
        if encoding not in _PLAIN_ENCODINGS:
            raise NotEvaluableError(f"the source's encoding is `{encoding}`", path, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, path)
    except SyntaxError as error:
        reason = f"the source doesn't parse: {error.msg}"
        raise BrokenModuleError(reason, path, error.lineno or 0) from None
    except (ValueError, LookupError):
        raise NotEvaluableError("the source can't be decoded", path, 0) from None
    except (RecursionError, MemoryError):
        raise NotEvaluableError("the source is nested too deep", path, 0) from None


def _has_endless_name(source: bytes) -> bool:
    """Whether a dotted name has over a thousand parts.

    Where one is imported, the parser keeps each of its beginnings: of 256 KiB, 17 GB.
    """
    parts = 0
    for piece in source.split(b"."):
        parts = parts + 1 if _NAME_PART.fullmatch(piece) else 0
        if parts > _MAX_NAME_PARTS:
            return True
    return False
