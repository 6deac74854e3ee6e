"""The names that a module or a function binds, and how certain each binding is.

Only what is bound once, by a statement that always runs, has a value that can be known
without running it. Everything that can bind a name is collected: what isn't an assignment,
a definition or an import counts as a rebinding.
"""

from __future__ import annotations

import _ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

FunctionNode: TypeAlias = _ast.FunctionDef | _ast.AsyncFunctionDef
Position: TypeAlias = tuple[int, int]

CONDITIONAL = "is assigned more than once or under a condition"

FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)
LEAVES = (_ast.Constant, _ast.expr_context, _ast.operator)

# What is known of a statement: that it always runs, that it may run, or that it is inside
# of a definition and binds names there.
_CERTAIN, _UNCERTAIN, _NESTED = range(3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """One place that binds a name.

    Attributes:
        node: the value's expression, or the statement: a definition or an import.
        end: where its statement ends.
        certain: whether it runs whenever its scope does.
        alias: of an import, the part of the statement that binds the name.
        shared: whether the same statement binds other names to the same object.
        rebinding: what it is, if it is anything else, and its value can't be known.
    """

    node: _ast.AST
    end: Position
    certain: bool
    alias: _ast.alias | None = None
    shared: bool = False
    rebinding: str | None = None


class Scope:
    """What a module or a function binds.

    Attributes:
        bindings: the bindings of each name.
        star_imports: the `from … import *` statements.
        is_generator: whether a function yields.
    """

    __slots__ = ("bindings", "is_generator", "star_imports")

    def __init__(self) -> None:
        self.bindings: dict[str, list[Binding]] = {}
        self.star_imports: list[_ast.ImportFrom] = []
        self.is_generator = False


def start_of(node: _ast.AST) -> Position:
    """Return the line and column where a node begins."""
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def children(node: _ast.AST) -> Iterator[_ast.AST]:
    """Yield the nodes directly beneath a node."""
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, _ast.AST):
            yield value
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, _ast.AST):
                    yield item


def scope_of(node: _ast.Module | _ast.ClassDef | FunctionNode) -> Scope:
    """Return the scope of a module, of a class, or of a function's body and parameters."""
    is_function = not isinstance(node, _ast.Module)
    collector = _Collector(is_function)
    if isinstance(node, FUNCTIONS):
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            collector.rebind(argument.arg, argument, "is a parameter")
        for extra in filter(None, (arguments.vararg, arguments.kwarg)):
            collector.rebind(extra.arg, extra, "is a parameter")
    collector.collect(node.body)
    return collector.scope


class _Collector:
    """Fills a scope. It keeps its own stack: a tree may be deeper than Python's."""

    def __init__(self, is_function: bool) -> None:
        self.scope = Scope()
        self._is_function = is_function
        self._stack: list[tuple[_ast.AST, int]] = []
        self._how = _CERTAIN

    def collect(self, statements: Iterable[_ast.AST]) -> None:
        self._push(statements, _CERTAIN)
        while self._stack:
            node, self._how = self._stack.pop()
            if isinstance(node, (_ast.Global, _ast.Nonlocal)):
                word = "global" if isinstance(node, _ast.Global) else "nonlocal"
                where = " in a function" if self._how == _NESTED else ""
                for name in node.names:
                    self.rebind(name, node, f"is declared `{word}`{where}")
            elif self._how == _NESTED:
                self._push(children(node), _NESTED)
            elif not isinstance(node, LEAVES):
                self._node(node)

    def rebind(self, name: str, node: _ast.AST, what: str = CONDITIONAL) -> None:
        self._bind(name, node, node, rebinding=what)

    def _bind(self, name: str, node: _ast.AST, statement: _ast.AST, **details: Any) -> None:
        line, column = start_of(statement)
        end = getattr(statement, "end_lineno", line), getattr(statement, "end_col_offset", column)
        binding = Binding(node=node, end=end, certain=self._how == _CERTAIN, **details)
        self.scope.bindings.setdefault(name, []).append(binding)

    def _push(self, nodes: Iterable[_ast.AST], how: int) -> None:
        self._stack.extend((node, how) for node in nodes)

    def _node(self, node: _ast.AST) -> None:
        if isinstance(node, _ast.Name):
            if not isinstance(node.ctx, _ast.Load):
                self.rebind(node.id, node)
        elif isinstance(node, (*FUNCTIONS, _ast.ClassDef)):
            self._bind(node.name, node, node)
            body = set(map(id, node.body))
            self._push((part for part in children(node) if id(part) not in body), self._how)
            self._push(node.body, _NESTED)
        elif isinstance(node, _ast.Lambda):
            self._push((node.args,), self._how)
        elif isinstance(node, (_ast.Assign, _ast.AnnAssign)):
            self._assignment(node)
        elif isinstance(node, (_ast.Import, _ast.ImportFrom)):
            self._import(node)
        else:
            self._other(node)

    def _other(self, node: _ast.AST) -> None:
        if isinstance(node, (_ast.Yield, _ast.YieldFrom)):
            self.scope.is_generator = True
        for field in ("name", "rest"):
            # Exception handlers and patterns bind a name that is no node of its own.
            name = getattr(node, field, None)
            if isinstance(name, str):
                self.rebind(name, node)
        is_simple = isinstance(node, (_ast.expr, _ast.Expr, _ast.Return))
        self._push(children(node), self._how if is_simple else _UNCERTAIN)

    def _assignment(self, node: _ast.Assign | _ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, _ast.Assign) else [node.target]
        if isinstance(node, _ast.AnnAssign):
            self._push((node.annotation,), self._how)
        if node.value is None:
            if self._is_function and isinstance(targets[0], _ast.Name):
                self.rebind(targets[0].id, node, "is declared without a value")
            return
        self._push((node.value,), self._how)
        for target in targets:
            if isinstance(target, _ast.Name):
                self._bind(target.id, node.value, node, shared=len(targets) > 1)
            else:
                self._push((target,), self._how)

    def _import(self, node: _ast.Import | _ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*" and isinstance(node, _ast.ImportFrom):
                self.scope.star_imports.append(node)
                continue
            name = alias.name.partition(".")[0] if isinstance(node, _ast.Import) else alias.name
            self._bind(alias.asname or name, node, node, alias=alias)
