"""A distribution's own source files as syntax trees, found as `import` would find them.

The trees come straight from the compiler and the node classes from `_ast`: `ast` adds
nothing that is needed here but the import of `enum`, `functools` and `contextlib`.
"""

from __future__ import annotations

import _ast
import _imp
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from coral_lock.budget import Allowance
from coral_lock.static.scope import FunctionNode, Scope, scope_of

MAX_SOURCE = 1 << 18 if sys.version_info >= (3, 11) else 1 << 17
"""The largest source that is parsed, as a byte of it can become a kilobyte of syntax tree.
Python 3.10 builds the tree without a limit of depth, and needs a source of twice its limit
to overflow its stack."""

_LOOKUP_STEPS = 10
_MODULE_STEPS = 100

_REDIRECTIONS = (b"__path__", b"sys.modules", b"meta_path", b"path_hooks")


_PLAIN_ENCODINGS = frozenset(
    {b"ascii", b"us-ascii", b"utf-8", b"utf8", b"latin-1", b"latin1", b"iso-8859-1", b"iso-8859-15"}
)


class NotEvaluableError(Exception):
    """What an entry point yields isn't certain from the sources alone.

    Args:
        reason: why, as a phrase without a final period.
        path: the file, relative to the site root; empty where there is none.
        line: the line in that file, from 1, or 0 where no line is to blame.
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


class SourceModule:
    """A module of the distribution: its dotted name, its file and its syntax tree.

    `step` counts what looking at it costs.
    """

    __slots__ = ("_function_scopes", "is_package", "name", "path", "scope", "step", "tree")

    def __init__(
        self, name: str, path: str, tree: _ast.Module, step: Callable[[int], None]
    ) -> None:
        self.name = name
        self.path = path
        self.is_package = path.endswith("/__init__.py")
        self.tree = tree
        self.scope: Scope = scope_of(tree)
        self.step = step
        self._function_scopes: dict[int, Scope] = {}

    def function_scope(self, function: FunctionNode) -> Scope:
        """Return the scope of one of the module's functions."""
        key = id(function)
        if key not in self._function_scopes:
            self._function_scopes[key] = scope_of(function)
        return self._function_scopes[key]

    def absolute(self, node: _ast.ImportFrom) -> str:
        """Return the dotted name of the module that a `from` import names (PEP 328).

        Raises:
            NotEvaluableError: it leads outside of the package.
        """
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        if not self.is_package:
            parts.pop()
        kept = len(parts) - node.level + 1
        if kept < 1:
            self.refuse("a relative import leads outside of the package", node)
        return ".".join((*parts[:kept], *filter(None, (node.module,))))

    def refuse(self, reason: str, node: _ast.AST | None = None) -> NoReturn:
        """Raise `NotEvaluableError` for a node of this module."""
        raise NotEvaluableError(reason, self.path, getattr(node, "lineno", 0))


class Sources:
    """The modules of one distribution, each read and parsed once.

    Args:
        read_source: takes a path relative to the site root, with slashes
            (`my_package/coral_plugins.py`), and returns the content of that file if it is
            the distribution's own, else None.
        allowance: what reading and evaluating them may cost.
    """

    def __init__(
        self, read_source: Callable[[str], bytes | None], allowance: Allowance | None = None
    ) -> None:
        self._allowance = allowance or Allowance()
        self._read_source = self._allowance.reading(read_source)
        self._contents: dict[str, bytes | None] = {}
        self._modules: dict[str, SourceModule | NotEvaluableError | None] = {}

    def module(self, name: str) -> SourceModule | None:
        """Return the module of that dotted name, or None if the distribution has no source of it.

        Raises:
            NotEvaluableError: it isn't certain which file is imported, or its source
                can't be parsed.
            OverBudgetError: the distribution has too much source.
        """
        if name not in self._modules:
            self._allowance.step(_LOOKUP_STEPS)
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
        if name.partition(".")[0] in sys.stdlib_module_names:
            raise BrokenModuleError(f"`{name}` is a module of the standard library", path, 0)
        if self._compiled(path) or self._compiled(f"{path}/__init__"):
            raise NotEvaluableError(f"`{name}` is compiled, it has no source", path, 0)
        raise BrokenModuleError(f"the distribution has no module `{name}`", path, 0)

    def _load(self, name: str) -> SourceModule | None:
        if name.partition(".")[0] in sys.stdlib_module_names:
            return None
        base = name.replace(".", "/")
        package = self._read(f"{base}/__init__.py")
        module = self._read(f"{base}.py")
        if package is not None and module is not None:
            raise NotEvaluableError(f"`{name}` is both a module and a package", f"{base}.py", 0)
        path = f"{base}.py" if package is None else f"{base}/__init__.py"
        source = module if package is None else package
        if source is None:
            return None
        if self._compiled(base) or self._compiled(f"{base}/__init__"):
            raise NotEvaluableError(f"`{name}` has both a source and a compiled file", path, 0)
        self._check_parents(name)
        self._allowance.step(_MODULE_STEPS)
        return SourceModule(name, path, parse(source, path), self._allowance.step)

    def _read(self, path: str) -> bytes | None:
        if path not in self._contents:
            self._contents[path] = self._read_source(path)
        return self._contents[path]

    def _compiled(self, path: str) -> bool:
        return any(
            self._read(f"{path}{suffix}") is not None
            for suffix in (*_imp.extension_suffixes(), ".pyc")
        )

    def _check_parents(self, name: str) -> None:
        """Refuse where a parent package may lead the import of `name` elsewhere."""
        parent = name.rpartition(".")[0]
        while parent:
            base = parent.replace(".", "/")
            path = f"{base}/__init__.py"
            source = self._read(path)
            if source is None and self._compiled(f"{base}/__init__"):
                raise NotEvaluableError(f"the package `{parent}` is compiled", path, 0)
            for word in _REDIRECTIONS:
                if source is not None and word in source:
                    line = source.count(b"\n", 0, source.index(word)) + 1
                    raise NotEvaluableError(
                        f"`{word.decode()}` may redirect the import of `{name}`", path, line
                    )
            parent = parent.rpartition(".")[0]


def parse(source: bytes, path: str) -> _ast.Module:
    """Return the syntax tree of a source file, whose encoding is found as PEP 263 says.

    Raises:
        NotEvaluableError: it isn't Python of this interpreter's version, is larger than
            `MAX_SOURCE`, or is nested too deep for the parser.
    """
    if len(source) > MAX_SOURCE:
        raise NotEvaluableError(f"the source has more than {MAX_SOURCE >> 10} KiB", path, 0)
    _refuse_slow_encoding(source, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(source, path, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        reason = f"the source doesn't parse: {error.msg}"
        raise BrokenModuleError(reason, path, error.lineno or 0) from None
    except (ValueError, LookupError):
        raise NotEvaluableError("the source can't be decoded", path, 0) from None
    except (RecursionError, MemoryError):
        raise NotEvaluableError("the source is nested too deep", path, 0) from None
    if not isinstance(tree, _ast.Module):
        raise NotEvaluableError("the source isn't a module", path, 0)
    return tree


def _refuse_slow_encoding(source: bytes, path: str) -> None:
    """Refuse a declared encoding (PEP 263) but the plain ones: some decode in quadratic time."""
    for number, line in enumerate(source.split(b"\n", 2)[:2], 1):
        _, separator, declared = line.partition(b"coding")
        if not (separator and line.lstrip().startswith(b"#")):
            continue
        name = declared.lstrip(b":= \t").split(b" ")[0].split(b"-*-")[0].strip().lower()
        if name.replace(b"_", b"-").rstrip(b"\r") not in _PLAIN_ENCODINGS:
            raise NotEvaluableError(
                "the source declares an encoding that isn't plain", path, number
            )
