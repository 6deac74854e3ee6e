"""What an entry point yields, read from its source without running any of it."""

from __future__ import annotations

import _ast

from coral_lock.budget import OverBudgetError
from coral_lock.names import is_object_reference
from coral_lock.plugin.facts import facts_from_fields
from coral_lock.plugin.spec import ACTIVATE, SpecError, classify_signature
from coral_lock.static.hazards import Reliance, check_hazards
from coral_lock.static.names import Frame, Names, require_no_special_names
from coral_lock.static.scope import (
    CLASS,
    FUNCTION,
    IMPORT,
    VALUE,
    children,
    is_main_guard,
    is_typing_guard,
    start_of,
)
from coral_lock.static.source import NotEvaluableError
from coral_lock.static.values import (
    CACHING_DECORATORS,
    CALLABLES,
    NOT_CALLABLE,
    PARAMETERS,
    REQUIRED,
    SPEC_CLASSES,
    Constant,
    External,
    Function,
    OwnModule,
    Sequence,
    Spec,
    Value,
    describe,
    dotted,
    same,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from coral_lock.inventory import EntryPoint
    from coral_lock.plugin.facts import PluginFacts
    from coral_lock.static.scope import FunctionNode, Position
    from coral_lock.static.source import Sources


if TYPE_CHECKING:
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


__all__ = ["NotEvaluableError", "evaluate"]

_MAX_DEPTH = 60
_MAX_STEPS = 20_000
_MAX_SPECS = 1000
_MAX_NESTING = 4
_MAX_TEXT = 100_000
_TEXT_OF_A_STEP = 64
_MAX_NUMBER = 1 << 63
_PLAIN_CONVERSIONS = (-1, ord("s"))


def evaluate(entry_point: EntryPoint, sources: Sources) -> tuple[PluginFacts, ...]:
    """Return the facts of the specs that an entry point yields, in the order it yields them.

    Args:
        entry_point: the entry point.
        sources: the modules of its distribution.

    Raises:
        NotEvaluableError: the facts aren't certain from the sources alone, or finding out
            costs too much.
        FactsError: the facts are certain, and wrong.
    """
    try:
        fields = _Evaluation(sources).fields_of(entry_point)
    except RecursionError:
        raise NotEvaluableError("the source is nested too deep", "", 0) from None
    except OverBudgetError as error:
        raise NotEvaluableError(str(error), "", 0) from None
    return tuple(map(facts_from_fields, fields))


class _Evaluation:
    """One evaluation of one entry point."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._reliance = Reliance()
        self._names = Names(sources, self._expression, self._reliance)
        self._depth = 0
        self._steps = 0
        self._running: list[FunctionNode] = []
        self._kinds: dict[int, str] = {}

    def fields_of(self, entry_point: EntryPoint) -> list[dict[str, Any]]:
        """Return the fields of each spec, once it is certain that nothing changes them."""
        if not is_object_reference(entry_point.value):
            raise NotEvaluableError(f"`{entry_point.value}` isn't `module:attribute`", "", 0)
        module_name, _, attribute = entry_point.value.partition(":")
        module = self._sources.required_module(module_name)
        if "." in attribute:
            module.refuse(f"`{attribute}` isn't a name of the module's top level")
        value = self._names.member(module, attribute)
        fields: list[dict[str, Any]] = []
        for spec_fields in self._expand(value, entry_point.name, Frame(module), 0):
            if len(fields) == _MAX_SPECS:
                module.refuse(f"it yields more than {_MAX_SPECS} specs")
            fields.append(spec_fields)
        if not fields:
            module.refuse("it yields no spec")
        self._names.check_typing_guards()
        check_hazards(self._names.touched, self._reliance)
        return fields

    def _expand(
        self, value: Value, name: str, frame: Frame, depth: int
    ) -> Iterator[dict[str, Any]]:
        """Yield the fields of the specs that a value stands for, as `live_specs` would."""
        if depth > _MAX_NESTING:
            frame.module.refuse("it is nested too deep")
        if isinstance(value, Spec):
            yield dict(value.fields)
        elif isinstance(value, Sequence):
            for item in value.items:
                yield from self._expand(item, name, frame, depth + 1)
        elif isinstance(value, Function):
            if self._kind(value) == ACTIVATE:
                yield {"name": name}
            else:
                yield from self._expand(self._call(value, None), name, frame, depth + 1)
        elif isinstance(value, External):
            frame.module.refuse(f"`{value.name}` comes from another package")
        else:
            frame.module.refuse("it is neither a spec nor a function nor a list of them")

    def _kind(self, function: Function) -> str:
        key = id(function.node)
        if key not in self._kinds:
            self._kinds[key] = self._classify(function)
        return self._kinds[key]

    def _classify(self, function: Function) -> str:
        node = function.node
        frame = Frame(function.module)
        check_definition(frame, node, self._expression)
        self._names.touch(function.module)
        arguments = node.args
        positional = (*arguments.posonlyargs, *arguments.args)
        try:
            return classify_signature(
                len(positional),
                len(positional) - len(arguments.defaults),
                sum(default is None for default in arguments.kw_defaults),
                positional[0].arg if positional else "",
            )
        except SpecError as error:
            function.module.refuse(str(error), node)

    def _call(self, function: Function, limit: Position | None) -> Value:
        """Return the result of a call without arguments."""
        node, module = function.node, function.module
        if node in self._running:
            module.refuse(f"`{node.name}` calls itself", node)
        frame = Frame(module, node, limit)
        assert frame.scope is not None
        require_no_special_names(frame)
        self._names.check_guards_of(frame, frame.scope)
        self._reliance.factories[id(node)] = (module, node)
        self._running.append(node)
        try:
            return result_of_body(frame, node, self._expression)
        finally:
            self._running.pop()

    def _expression(self, node: _ast.expr, frame: Frame) -> Value:
        self._depth += 1
        self._steps += 1
        frame.module.step(1)
        try:
            if self._depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
                frame.module.refuse("the expression is too large", node)
            return self._value_of(node, frame)
        finally:
            self._depth -= 1

    def _value_of(self, node: _ast.expr, frame: Frame) -> Value:
        if isinstance(node, _ast.Constant):
            return Constant(node.value)
        if isinstance(node, _ast.Name):
            return self._names.lookup(node, frame)
        if isinstance(node, _ast.Attribute):
            return self._attribute(node, frame)
        if isinstance(node, (_ast.List, _ast.Tuple)):
            return Sequence(tuple(self._expression(item, frame) for item in node.elts))
        if isinstance(node, _ast.Call):
            return self._call_expression(node, frame)
        if isinstance(node, _ast.BinOp) and isinstance(node.op, _ast.Add):
            return self._joined((node.left, node.right), frame, node)
        if isinstance(node, _ast.JoinedStr):
            return self._joined(node.values, frame, node)
        if isinstance(node, _ast.IfExp):
            first = self._expression(node.body, frame)
            if not same(first, self._expression(node.orelse, frame)):
                frame.module.refuse("the branches of a conditional differ", node)
            return first
        frame.module.refuse(f"it depends on {describe(node)}", node)

    def _attribute(self, node: _ast.Attribute, frame: Frame) -> Value:
        if not dotted(node):
            frame.module.refuse(f"`.{node.attr}` is an attribute of an object", node)
        return self._names.attribute(self._expression(node.value, frame), node, frame)

    def _joined(
        self, parts: list[_ast.expr] | tuple[_ast.expr, ...], frame: Frame, whole: _ast.expr
    ) -> Constant:
        """Return the text of a concatenation or an f-string."""
        allowed: tuple[type, ...] = (str,)
        texts: list[str] = []
        for part in parts:
            node = part
            if isinstance(part, _ast.FormattedValue):
                if part.format_spec is not None or part.conversion not in _PLAIN_CONVERSIONS:
                    frame.module.refuse("an f-string formats a value", part)
                node, allowed = part.value, (str, int)
            value = self._expression(node, frame)
            content = value.value if isinstance(value, Constant) else None
            if type(content) not in allowed or (
                isinstance(content, int) and abs(content) > _MAX_NUMBER
            ):
                frame.module.refuse("something else than text is joined to text", whole)
            texts.append(str(content))
        length = sum(map(len, texts))
        if length > _MAX_TEXT:
            frame.module.refuse("the text is too long", whole)
        frame.module.step(length // _TEXT_OF_A_STEP)
        return Constant("".join(texts))

    def _call_expression(self, node: _ast.Call, frame: Frame) -> Value:
        callee = node.func
        text = dotted(callee)
        if not text:
            what = f"`.{callee.attr}`" if isinstance(callee, _ast.Attribute) else describe(callee)
            frame.module.refuse(f"it depends on a call of {what}", node)
        if isinstance(callee, _ast.Name) and not frame.bindings(callee.id):
            frame.module.refuse(f"it depends on a call of `{text}`", node)
        if isinstance(callee, _ast.Attribute):
            base = self._expression(callee.value, frame)
            if not isinstance(base, (External, OwnModule)):
                frame.module.refuse(f"it depends on a call of `{text}`", node)
            value = self._names.attribute(base, callee, frame)
        else:
            value = self._expression(callee, frame)
        kind = SPEC_CLASSES.get(value.name) if isinstance(value, External) else None
        if kind is not None:
            if isinstance(callee, _ast.Name) and not frame.local_bindings(callee.id):
                self._reliance.classes.add((frame.module.name, callee.id))
            return self._spec(kind, node, frame)
        if not isinstance(value, Function):
            frame.module.refuse(f"it depends on a call of `{text}`", node)
        if node.args or node.keywords or self._kind(value) == ACTIVATE:
            frame.module.refuse(f"`{text}` is called with arguments", node)
        limit = frame.limit if frame.function else start_of(node)
        return self._call(value, limit if value.module is frame.module else None)

    def _spec(self, kind: str, node: _ast.Call, frame: Frame) -> Spec:
        arguments = self._arguments(kind, node, frame)
        fields: dict[str, Any] = {}
        for parameter, argument in arguments.items():
            if parameter in CALLABLES:
                self._check_callable(argument, frame)
                continue
            value = self._expression(argument, frame)
            if isinstance(value, External):
                frame.module.refuse(f"`{value.name}` comes from another package", argument)
            if not isinstance(value, Constant):
                frame.module.refuse(f"`{parameter}` isn't a constant", argument)
            fields[parameter] = value.value
        return Spec(fields)

    def _arguments(self, kind: str, node: _ast.Call, frame: Frame) -> Mapping[str, _ast.expr]:
        """Return the arguments of a spec's constructor by the names of its parameters."""
        parameters = PARAMETERS[kind]
        if len(node.args) > len(parameters):
            frame.module.refuse(f"`{kind}` takes {len(parameters)} arguments", node)
        arguments: dict[str, _ast.expr] = {}
        for parameter, argument in zip(parameters, node.args):
            if isinstance(argument, _ast.Starred):
                frame.module.refuse(f"`{kind}` is called with `*`", argument)
            arguments[parameter] = argument
        for keyword in node.keywords:
            if keyword.arg is None:
                frame.module.refuse(f"`{kind}` is called with `**`", keyword.value)
            if keyword.arg not in parameters or keyword.arg in arguments:
                frame.module.refuse(f"`{kind}` can't take `{keyword.arg}`", keyword.value)
            arguments[keyword.arg] = keyword.value
        for parameter in REQUIRED[kind]:
            if parameter not in arguments:
                frame.module.refuse(f"`{kind}` is called without `{parameter}`", node)
        return arguments

    def _check_callable(self, node: _ast.expr, frame: Frame) -> None:
        """Check what a spec is to call: it must be there, and mustn't plainly be data.

        What it is beyond that is no fact of the plugin, and shows at activation.
        """
        if isinstance(node, NOT_CALLABLE):
            frame.module.refuse("a spec is given data where it needs a function", node)
        if isinstance(node, _ast.Lambda):
            self._reliance.deferred.add(id(node))
        if not isinstance(node, _ast.Name):
            return
        self._reliance.deferred.add(id(node))
        live = [binding for binding in frame.bindings(node.id) if not binding.typing_only]
        if not live:
            frame.module.refuse(f"`{node.id}` isn't defined in `{frame.module.name}`", node)
        for binding in live:
            if binding.kind not in (CLASS, FUNCTION, IMPORT, VALUE):
                frame.module.refuse(f"`{node.id}` {binding.reason}", binding.node)
            if isinstance(binding.node, NOT_CALLABLE):
                frame.module.refuse("a spec is given data where it needs a function", node)
