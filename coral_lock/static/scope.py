"""The names that a module or a function binds, and how sure each binding is.

Only what is bound once, by a statement that always runs, has a value that a reader can
be sure of. Everything that can bind a name is collected, so that nothing is overlooked:
what isn't an assignment, a definition or an import counts as a rebinding.
"""

from __future__ import annotations

import _ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    FunctionNode: TypeAlias = _ast.FunctionDef | _ast.AsyncFunctionDef
    Position: TypeAlias = tuple[int, int]

VALUE = "value"
FUNCTION = "function"
CLASS = "class"
IMPORT = "import"
REBINDING = "rebinding"

_DEFINITIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)
_COMPREHENSIONS = (_ast.ListComp, _ast.SetComp, _ast.DictComp, _ast.GeneratorExp)
_LEAVES = (_ast.Constant, _ast.expr_context, _ast.operator)
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


class Binding:
    """One place that binds a name.

    Attributes:
        kind: `value`, `function`, `class`, `import` or `rebinding`.
        node: the value's expression, or the statement.
        alias: of an import, the part of the statement that binds the name.
        certain: whether it runs whenever its scope does.
        typing_only: whether only type checkers see it.
        shared: whether the same statement binds other names to the same object.
        reason: of a rebinding, what it is.
        end: where its statement ends.
    """

    __slots__ = ("alias", "certain", "end", "kind", "node", "reason", "shared", "typing_only")

    def __init__(self, kind: str, node: _ast.AST, statement: _ast.AST, branch: Branch) -> None:
        self.kind = kind
        self.node = node
        self.alias: _ast.alias | None = None
        self.certain = branch is CERTAIN
        self.typing_only = branch is TYPING_ONLY
        self.shared = False
        self.reason = "is assigned more than once or under a condition"
        self.end: Position = end_of(statement)


class Branch:
    """Whether a block of statements always runs; there are three of them."""

    __slots__ = ()


CERTAIN = Branch()
UNCERTAIN = Branch()
TYPING_ONLY = Branch()


class Scope:
    """What a module or a function binds.

    Attributes:
        bindings: the bindings of each name.
        global_names: the names that a function declares `global`.
        star_imports: the `from … import *` statements.
        typing_guards: the conditions that were taken for `TYPE_CHECKING`.
        is_generator: whether a function yields.
    """

    __slots__ = ("bindings", "global_names", "is_generator", "star_imports", "typing_guards")

    def __init__(self) -> None:
        self.bindings: dict[str, list[Binding]] = {}
        self.global_names: set[str] = set()
        self.star_imports: list[_ast.ImportFrom] = []
        self.typing_guards: list[_ast.expr] = []
        self.is_generator = False

    def bind(self, name: str, binding: Binding) -> None:
        """Add a binding of a name."""
        self.bindings.setdefault(name, []).append(binding)


def start_of(node: _ast.AST) -> Position:
    """Return the line and column where a node begins."""
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def end_of(node: _ast.AST) -> Position:
    """Return the line and column where a node ends."""
    line, column = start_of(node)
    return (getattr(node, "end_lineno", line), getattr(node, "end_col_offset", column))


def module_scope(tree: _ast.Module) -> Scope:
    """Return the scope of a module."""
    collector = _Collector(is_function=False)
    collector.block(tree.body, CERTAIN)
    return collector.scope


def function_scope(function: FunctionNode) -> Scope:
    """Return the scope of a function's body and parameters."""
    collector = _Collector(is_function=True)
    for argument in all_arguments(function.args):
        collector.rebind(argument.arg, argument, UNCERTAIN, "is a parameter")
    collector.block(function.body, CERTAIN)
    return collector.scope


def all_arguments(arguments: _ast.arguments) -> Iterator[_ast.arg]:
    """Yield every parameter of a function."""
    yield from arguments.posonlyargs
    yield from arguments.args
    yield from arguments.kwonlyargs
    for extra in (arguments.vararg, arguments.kwarg):
        if extra is not None:
            yield extra


def is_typing_guard(test: _ast.expr) -> bool:
    """Whether a condition reads `TYPE_CHECKING` or `typing.TYPE_CHECKING`."""
    return (isinstance(test, _ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, _ast.Attribute)
        and test.attr == "TYPE_CHECKING"
        and isinstance(test.value, _ast.Name)
    )


def is_main_guard(test: _ast.expr) -> bool:
    """Whether a condition reads `__name__ == "__main__"`, which no plugin's module is."""
    return (
        isinstance(test, _ast.Compare)
        and isinstance(test.left, _ast.Name)
        and test.left.id == "__name__"
        and len(test.ops) == 1
        and isinstance(test.ops[0], _ast.Eq)
        and isinstance(test.comparators[0], _ast.Constant)
        and test.comparators[0].value == "__main__"
    )


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


class _Collector:
    """Fills a scope. It keeps its own stack: a tree may be deeper than Python's."""

    def __init__(self, *, is_function: bool) -> None:
        self.scope = Scope()
        self._is_function = is_function
        self._stack: list[tuple[_ast.AST, Branch]] = []

    def block(self, statements: Iterable[_ast.AST], branch: Branch) -> None:
        self._stack.extend((statement, branch) for statement in statements)
        while self._stack:
            node, current = self._stack.pop()
            if not isinstance(node, _LEAVES):
                self._node(node, current)

    def rebind(self, name: str, node: _ast.AST, branch: Branch, reason: str = "") -> None:
        binding = Binding(REBINDING, node, node, branch)
        binding.reason = reason or binding.reason
        self.scope.bind(name, binding)

    def _push(self, nodes: Iterable[_ast.AST], branch: Branch) -> None:
        self._stack.extend((node, branch) for node in nodes)

    def _node(self, node: _ast.AST, branch: Branch) -> None:
        if isinstance(node, _ast.Name):
            if not isinstance(node.ctx, _ast.Load):
                self.rebind(node.id, node, branch)
        elif isinstance(node, _DEFINITIONS):
            self._definition(node, branch)
        elif isinstance(node, (_ast.Assign, _ast.AnnAssign)):
            self._assignment(node, branch)
        elif isinstance(node, (_ast.Import, _ast.ImportFrom)):
            self._import(node, branch)
        elif isinstance(node, _ast.If):
            self._condition(node, branch)
        elif isinstance(node, _ast.Global):
            self.scope.global_names.update(node.names)
            for name in node.names:
                self.rebind(name, node, branch, "is declared `global`")
        elif isinstance(node, _ast.Lambda):
            self._push((*node.args.defaults, *filter(None, node.args.kw_defaults)), branch)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, branch)
        else:
            self._other(node, branch)

    def _other(self, node: _ast.AST, branch: Branch) -> None:
        if isinstance(node, (_ast.Yield, _ast.YieldFrom)):
            self.scope.is_generator = True
        for field in ("name", "rest"):
            # Exception handlers and patterns bind a name that is no node of its own.
            name = getattr(node, field, None)
            if isinstance(name, str):
                self.rebind(name, node, branch)
        is_simple = isinstance(node, (_ast.expr, _ast.Expr, _ast.Return))
        self._push(children(node), branch if is_simple or branch is TYPING_ONLY else UNCERTAIN)

    def _definition(
        self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef, branch: Branch
    ) -> None:
        is_class = isinstance(node, _ast.ClassDef)
        self.scope.bind(node.name, Binding(CLASS if is_class else FUNCTION, node, node, branch))
        self._push(node.decorator_list, branch)
        if isinstance(node, _ast.ClassDef):
            self._push((*node.bases, *node.keywords), branch)
        else:
            self._push((node.args, *filter(None, (node.returns,))), branch)
        self._nested_declarations(node.body, branch)

    def _nested_declarations(self, body: Iterable[_ast.AST], branch: Branch) -> None:
        """Find what inner functions and classes rebind in this scope."""
        kind = _ast.Nonlocal if self._is_function else _ast.Global
        stack = list(body)
        while stack:
            node = stack.pop()
            if isinstance(node, kind):
                word = "nonlocal" if self._is_function else "global"
                for name in node.names:
                    self.rebind(name, node, branch, f"is declared `{word}` in a function")
            for field in _BLOCKS:
                inner = getattr(node, field, None)
                if isinstance(inner, list):
                    stack.extend(inner)

    def _assignment(self, node: _ast.Assign | _ast.AnnAssign, branch: Branch) -> None:
        targets = node.targets if isinstance(node, _ast.Assign) else [node.target]
        if isinstance(node, _ast.AnnAssign):
            self._push((node.annotation,), branch)
        if node.value is None:
            if self._is_function and isinstance(targets[0], _ast.Name):
                self.rebind(targets[0].id, node, branch, "is declared without a value")
            return
        self._push((node.value,), branch)
        for target in targets:
            if isinstance(target, _ast.Name):
                binding = Binding(VALUE, node.value, node, branch)
                binding.shared = len(targets) > 1
                self.scope.bind(target.id, binding)
            else:
                self._push((target,), branch)

    def _import(self, node: _ast.Import | _ast.ImportFrom, branch: Branch) -> None:
        for alias in node.names:
            if alias.name == "*" and isinstance(node, _ast.ImportFrom):
                self.scope.star_imports.append(node)
                continue
            name = alias.asname or alias.name
            if isinstance(node, _ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
            binding = Binding(IMPORT, node, node, branch)
            binding.alias = alias
            self.scope.bind(name, binding)

    def _condition(self, node: _ast.If, branch: Branch) -> None:
        if is_main_guard(node.test):
            self._push(node.orelse, branch)
        elif is_typing_guard(node.test):
            self.scope.typing_guards.append(node.test)
            self._push(node.body, TYPING_ONLY)
            self._push(node.orelse, branch)
        else:
            inner = branch if branch is TYPING_ONLY else UNCERTAIN
            self._push((node.test, *node.body, *node.orelse), inner)

    def _comprehension(
        self,
        node: _ast.ListComp | _ast.SetComp | _ast.DictComp | _ast.GeneratorExp,
        branch: Branch,
    ) -> None:
        """Take in all but the targets, which are names of the comprehension's own."""
        for generator in node.generators:
            self._push((generator.iter, *generator.ifs), branch)
        self._push(
            (child for child in children(node) if not isinstance(child, _ast.comprehension)),
            branch,
        )
