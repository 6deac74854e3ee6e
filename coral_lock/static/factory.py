"""The body of a factory, statement by statement: what it returns or yields for certain."""

from __future__ import annotations

import _ast

from coral_lock.static.scope import children, is_main_guard, is_typing_guard, start_of
from coral_lock.static.values import CACHING_DECORATORS, External, Sequence, Value, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coral_lock.static.names import Frame
    from coral_lock.static.scope import FunctionNode

    Evaluate = Callable[[_ast.expr, Frame], Value]

_INNER = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef, _ast.Lambda)
_EXITS = (_ast.Return, _ast.Yield, _ast.YieldFrom, _ast.Raise, _ast.Assert, _ast.Await)
_EXIT_WORDS = {
    _ast.Return: "`return`",
    _ast.Yield: "`yield`",
    _ast.YieldFrom: "`yield from`",
    _ast.Raise: "`raise`",
    _ast.Assert: "`assert`",
    _ast.Await: "`await`",
}


def check_definition(frame: Frame, function: FunctionNode, evaluate: Evaluate) -> None:
    """Check that calling a function runs its body and nothing else.

    Raises:
        NotEvaluableError: it is asynchronous, generic, or has a decorator that may
            change it.
    """
    refuse = frame.module.refuse
    if isinstance(function, _ast.AsyncFunctionDef):
        refuse(f"`{function.name}` is asynchronous", function)
    if getattr(function, "type_params", None):
        refuse(f"`{function.name}` is generic", function)
    for decorator in function.decorator_list:
        target = decorator
        if isinstance(decorator, _ast.Call):
            target = decorator.func
            arguments = (*decorator.args, *(keyword.value for keyword in decorator.keywords))
            if not all(isinstance(argument, _ast.Constant) for argument in arguments):
                refuse("a decorator's arguments aren't plain", decorator)
        if isinstance(target, (_ast.Name, _ast.Attribute)):
            value = evaluate(target, frame)
            if isinstance(value, External) and value.name in CACHING_DECORATORS:
                continue
        refuse(f"a decorator may change `{function.name}`", decorator)


def result_of_body(frame: Frame, function: FunctionNode, evaluate: Evaluate) -> Value:
    """Return what a call of a function without arguments returns.

    Args:
        frame: the function's own frame.
        function: a function that `check_definition` lets pass.
        evaluate: gives the value of an expression.

    Raises:
        NotEvaluableError: it isn't certain.
    """
    body = _Body(frame, evaluate)
    result = body.block(function.body)
    if body.is_generator:
        if function.decorator_list:
            frame.module.refuse("a cached generator can be read only once", function)
        return Sequence(tuple(body.yielded))
    if result is None:
        frame.module.refuse(f"`{function.name}` returns nothing", function)
    return result


class _Body:
    def __init__(self, frame: Frame, evaluate: Evaluate) -> None:
        assert frame.scope is not None
        self._frame = frame
        self._evaluate = evaluate
        self.is_generator = frame.scope.is_generator
        self.yielded: list[Value] = []
        self._ended = False

    def block(self, statements: Iterable[_ast.stmt]) -> Value | None:
        """Return what a block returns, or None if it runs through to its end."""
        for statement in statements:
            value = self._statement(statement)
            if value is not None or self._ended:
                return value
        return None

    def _statement(self, statement: _ast.stmt) -> Value | None:
        if isinstance(statement, _ast.Return):
            return self._return(statement)
        if isinstance(statement, _ast.Expr) and isinstance(
            statement.value, (_ast.Yield, _ast.YieldFrom)
        ):
            self._yield(statement.value)
            return None
        if isinstance(statement, _ast.If):
            return self._condition(statement)
        self._refuse_exits(statement)
        return None

    def _find_exit(self, statement: _ast.stmt) -> _ast.AST | None:
        """Return the first part of a statement that may end or suspend the function."""
        stack: list[_ast.AST] = [statement]
        found: list[_ast.AST] = []
        visited = 0
        while stack:
            node = stack.pop()
            visited += 1
            if isinstance(node, _EXITS):
                found.append(node)
            elif not isinstance(node, _INNER):
                stack.extend(children(node))
        self._frame.module.step(visited)
        return min(found, key=start_of) if found else None

    def _return(self, statement: _ast.Return) -> Value | None:
        value = statement.value
        if self.is_generator:
            if value is not None:
                self._frame.module.refuse("a generator returns a value", statement)
            self._ended = True
            return None
        if value is None:
            self._frame.module.refuse("the factory returns nothing", statement)
        return self._evaluate(value, self._frame)

    def _yield(self, node: _ast.Yield | _ast.YieldFrom) -> None:
        if node.value is None:
            self._frame.module.refuse("a bare `yield` yields nothing", node)
        value = self._evaluate(node.value, self._frame)
        if isinstance(node, _ast.Yield):
            self.yielded.append(value)
        elif isinstance(value, Sequence):
            self.yielded.extend(value.items)
        else:
            self._frame.module.refuse("`yield from` is given something else than specs", node)

    def _condition(self, statement: _ast.If) -> Value | None:
        if is_typing_guard(statement.test) or is_main_guard(statement.test):
            return self.block(statement.orelse)
        if self._find_exit(statement) is None:
            return None
        if self.is_generator or not statement.orelse:
            self._refuse_exits(statement)
        first = self.block(statement.body)
        second = self.block(statement.orelse)
        if first is None or second is None:
            self._refuse_exits(statement)
        elif not same(first, second):
            self._frame.module.refuse("the branches return different things", statement)
        return first

    def _refuse_exits(self, statement: _ast.stmt) -> None:
        found = self._find_exit(statement)
        if found is None:
            return
        word = _EXIT_WORDS[type(found)]
        if found is statement:
            self._frame.module.refuse(f"the factory may end with {word}", found)
        self._frame.module.refuse(f"{word} stands under a condition or in an expression", found)
