"""What an entry point yields, read from its source without running any of it.

Evaluated are module-level factories, specs and lists of them whose fields are literals,
constants of the distribution's modules, and text joined from these. Anything else is refused.
"""

from __future__ import annotations

import _ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from coral_lock.budget import OverBudgetError
from coral_lock.inventory import EntryPoint
from coral_lock.names import is_object_reference
from coral_lock.plugin.facts import PluginFacts, facts_from_fields
from coral_lock.plugin.spec import ACTIVATE, SpecError, classify_signature
from coral_lock.static.hazards import Reliance, check_hazards
from coral_lock.static.scope import (
    CONDITIONAL,
    FUNCTIONS,
    Binding,
    FunctionNode,
    Position,
    children,
    start_of,
)
from coral_lock.static.source import NotEvaluableError, SourceModule, Sources

_MAX_DEPTH = 60
_MAX_STEPS = 20_000
_MAX_SPECS = 1000
_MAX_NESTING = 4
_MAX_TEXT = 100_000
_TEXT_OF_A_STEP = 64
_MAX_NUMBER = 1 << 63

_PARAMETERS = {
    "PluginSpec": ("name", "activate", "description", "min_core_version", "min_inference_version"),
    "BackendAdapter": ("name", "supports", "activate"),
}
"""The parameters of each kind of spec, in the order of its constructor."""

_CALLABLES = ("activate", "supports")
_REQUIRED = {"name", *_CALLABLES}
_SPEC_CLASSES = {
    "coral_inference.runtime.plugins.PluginSpec": "PluginSpec",
    "coral_inference.runtime.backends.BackendAdapter": "BackendAdapter",
    **{f"coral_lock.{kind}": kind for kind in _PARAMETERS},
    **{f"coral_lock.plugin.spec.{kind}": kind for kind in _PARAMETERS},
}
_SPECIAL_NAMES = ("__getattr__", "__name__", "__package__", "__path__", "__spec__")

_INNER = (*FUNCTIONS, _ast.ClassDef, _ast.Lambda)
_EXITS = {
    _ast.Return: "`return`",
    _ast.Yield: "`yield`",
    _ast.YieldFrom: "`yield from`",
    _ast.Raise: "`raise`",
    _ast.Assert: "`assert`",
    _ast.Await: "`await`",
}
_EXPRESSIONS = {
    "Compare": "a comparison",
    "Dict": "a dictionary",
    "DictComp": "a comprehension",
    "GeneratorExp": "a generator expression",
    "IfExp": "a conditional",
    "Lambda": "a lambda",
    "ListComp": "a comprehension",
    "Set": "a set",
    "SetComp": "a comprehension",
    "Starred": "a starred expression",
    "Subscript": "a subscript",
}


@dataclass(frozen=True, slots=True)
class _Constant:
    """A literal, or what literals are joined to."""

    value: object


@dataclass(frozen=True, slots=True)
class _External:
    """A name of another distribution or of the standard library, by its dotted path."""

    name: str


@dataclass(frozen=True, slots=True)
class _Function:
    """A function at a module's own level."""

    module: SourceModule
    node: FunctionNode


@dataclass(frozen=True, slots=True)
class _Spec:
    """A `PluginSpec` or `BackendAdapter`, named by `kind`: the arguments that are facts."""

    kind: str
    fields: dict[str, Any]


_Value: TypeAlias = "_Constant | _External | _Function | _Spec | SourceModule | tuple[_Value, ...]"
"""What an expression can stand for; a tuple is a list, a tuple, or what a generator yields."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where an expression stands: in a module, or in one of its functions."""

    module: SourceModule
    function: FunctionNode | None = None

    def local_bindings(self, name: str) -> list[Binding]:
        """Return the bindings of a name that is local to the function."""
        if self.function is None:
            return []
        return self.module.function_scope(self.function).bindings.get(name, [])

    def bindings(self, name: str) -> list[Binding]:
        """Return the bindings of a name, local ones or else the module's."""
        return self.local_bindings(name) or self.module.scope.bindings.get(name, [])


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
    return tuple(facts_from_fields(fields) for _, fields in evaluate_fields(entry_point, sources))


def evaluate_fields(
    entry_point: EntryPoint, sources: Sources
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the class of each spec, `PluginSpec` or `BackendAdapter`, and its fields.

    The fields are certain, and may be wrong.

    Raises:
        NotEvaluableError: as `evaluate`.
    """
    try:
        specs = _Evaluation(sources).specs_of(entry_point)
    except RecursionError:
        raise NotEvaluableError("the source is nested too deep", "", 0) from None
    except OverBudgetError as error:
        raise NotEvaluableError(str(error), "", 0) from None
    return tuple((spec.kind, spec.fields) for spec in specs)


class _Evaluation:
    """One evaluation of one entry point."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._reliance = Reliance()
        self._touched: dict[str, SourceModule] = {}
        self._running: list[FunctionNode] = []
        self._depth = 0
        self._steps = 0

    def specs_of(self, entry_point: EntryPoint) -> list[_Spec]:
        """Return the specs, once it is certain that nothing changes them."""
        if not is_object_reference(entry_point.value):
            raise NotEvaluableError(f"`{entry_point.value}` isn't `module:attribute`", "", 0)
        module_name, _, attribute = entry_point.value.partition(":")
        module = self._sources.required_module(module_name)
        if "." in attribute:
            module.refuse(f"`{attribute}` isn't a name of the module's top level")
        value = self._member(module, attribute)
        specs: list[_Spec] = []
        for spec in self._expand(value, entry_point.name, module, 0):
            if len(specs) == _MAX_SPECS:
                module.refuse(f"it yields more than {_MAX_SPECS} specs")
            specs.append(spec)
        if not specs:
            module.refuse("it yields no spec")
        check_hazards(self._touched.values(), self._reliance)
        return specs

    def _expand(
        self, value: _Value, name: str, module: SourceModule, depth: int
    ) -> Iterator[_Spec]:
        """Yield the specs that a value stands for, as `live_specs` would."""
        if depth > _MAX_NESTING:
            module.refuse("it is nested too deep")
        if isinstance(value, _Spec):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                yield from self._expand(item, name, module, depth + 1)
        elif isinstance(value, _Function):
            if self._is_activate(value):
                if depth:
                    module.refuse("only an entry point itself can be an `activate` function")
                yield _Spec("PluginSpec", {"name": name})
            else:
                yield from self._expand(self._call(value), name, module, depth + 1)
        elif isinstance(value, _External):
            module.refuse(f"`{value.name}` comes from another package")
        else:
            module.refuse("it is neither a spec nor a function nor a list of them")

    # Functions

    def _is_activate(self, function: _Function) -> bool:
        """Whether a function is an old-style `activate(config)`, and no factory."""
        node, refuse = function.node, function.module.refuse
        if isinstance(node, _ast.AsyncFunctionDef):
            refuse(f"`{node.name}` is asynchronous", node)
        if getattr(node, "type_params", None):
            refuse(f"`{node.name}` is generic", node)
        for decorator in node.decorator_list:
            refuse(f"a decorator may change `{node.name}`", decorator)
        arguments = node.args
        positional = (*arguments.posonlyargs, *arguments.args)
        try:
            kind = classify_signature(
                len(positional),
                len(positional) - len(arguments.defaults),
                sum(default is None for default in arguments.kw_defaults),
                positional[0].arg if positional else "",
            )
        except SpecError as error:
            refuse(str(error), node)
        return kind == ACTIVATE

    def _call(self, function: _Function) -> _Value:
        """Return the result of a call without arguments."""
        node, module = function.node, function.module
        if node in self._running:
            module.refuse(f"`{node.name}` calls itself", node)
        for name in _SPECIAL_NAMES:
            if name in module.function_scope(node).bindings:
                module.refuse(f"`{name}` is a local name", node)
        self._reliance.factories[id(node)] = (module, node)
        self._running.append(node)
        try:
            return self._body(node, _Frame(module, node))
        finally:
            self._running.pop()

    def _body(self, function: FunctionNode, frame: _Frame) -> _Value:
        """Return what a function returns or yields, in statements of its body's own level."""
        is_generator = frame.module.function_scope(function).is_generator
        refuse = frame.module.refuse
        yielded: list[_Value] = []
        for statement in function.body:
            if isinstance(statement, _ast.Return) and is_generator:
                if statement.value is not None:
                    refuse("a generator returns a value", statement)
                break
            if isinstance(statement, _ast.Return):
                if statement.value is None:
                    refuse("the factory returns nothing", statement)
                return self._expression(statement.value, frame)
            inner = statement.value if isinstance(statement, _ast.Expr) else None
            if isinstance(inner, (_ast.Yield, _ast.YieldFrom)):
                yielded.extend(self._yielded(inner, frame))
            else:
                self._refuse_exits(statement, frame)
        if not is_generator:
            refuse(f"`{function.name}` returns nothing", function)
        return tuple(yielded)

    def _yielded(self, node: _ast.Yield | _ast.YieldFrom, frame: _Frame) -> tuple[_Value, ...]:
        if node.value is None:
            frame.module.refuse("a bare `yield` yields nothing", node)
        value = self._expression(node.value, frame)
        if isinstance(node, _ast.Yield):
            return (value,)
        if not isinstance(value, tuple):
            frame.module.refuse("`yield from` is given something else than specs", node)
        return value

    def _refuse_exits(self, statement: _ast.stmt, frame: _Frame) -> None:
        """Refuse a statement that may end or suspend the function."""
        stack: list[_ast.AST] = [statement]
        found: list[_ast.AST] = []
        visited = 0
        while stack:
            node = stack.pop()
            visited += 1
            if type(node) in _EXITS:
                found.append(node)
            elif not isinstance(node, _INNER):
                stack.extend(children(node))
        frame.module.step(visited)
        if found:
            first = min(found, key=start_of)
            word = _EXITS[type(first)]
            if first is statement:
                frame.module.refuse(f"the factory may end with {word}", first)
            frame.module.refuse(f"{word} is inside a condition or an expression", first)

    # Expressions

    def _expression(self, node: _ast.expr, frame: _Frame) -> _Value:
        self._depth += 1
        self._steps += 1
        frame.module.step(1)
        try:
            if self._depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
                frame.module.refuse("the expression is too large", node)
            return self._value_of(node, frame)
        finally:
            self._depth -= 1

    def _value_of(self, node: _ast.expr, frame: _Frame) -> _Value:
        if isinstance(node, _ast.Constant):
            return _Constant(node.value)
        if isinstance(node, _ast.Name):
            return self._lookup(node, frame)
        if isinstance(node, _ast.Attribute):
            if not _dotted(node):
                frame.module.refuse(f"`.{node.attr}` is an attribute of an object", node)
            return self._attribute(self._expression(node.value, frame), node, frame)
        if isinstance(node, (_ast.List, _ast.Tuple)):
            return tuple(self._expression(item, frame) for item in node.elts)
        if isinstance(node, _ast.Call):
            return self._call_expression(node, frame)
        if isinstance(node, _ast.BinOp) and isinstance(node.op, _ast.Add):
            return self._joined([node.left, node.right], frame, node)
        if isinstance(node, _ast.JoinedStr):
            return self._joined(node.values, frame, node)
        frame.module.refuse(f"it depends on {_described(node)}", node)

    def _joined(self, parts: list[_ast.expr], frame: _Frame, whole: _ast.expr) -> _Constant:
        """Return the text of a concatenation or an f-string."""
        allowed: tuple[type, ...] = (str,)
        texts: list[str] = []
        for part in parts:
            if isinstance(part, _ast.FormattedValue):
                if part.format_spec is not None or part.conversion not in (-1, ord("s")):
                    frame.module.refuse("an f-string formats a value", part)
                part, allowed = part.value, (str, int)
            value = self._expression(part, frame)
            content = value.value if isinstance(value, _Constant) else None
            if type(content) not in allowed or (
                isinstance(content, int) and abs(content) > _MAX_NUMBER
            ):
                frame.module.refuse("something else than text is joined to text", whole)
            texts.append(str(content))
        length = sum(map(len, texts))
        if length > _MAX_TEXT:
            frame.module.refuse("the text is too long", whole)
        frame.module.step(length // _TEXT_OF_A_STEP)
        return _Constant("".join(texts))

    def _call_expression(self, node: _ast.Call, frame: _Frame) -> _Value:
        refuse, callee, text = frame.module.refuse, node.func, _dotted(node.func)
        if not text:
            what = f"`.{callee.attr}`" if isinstance(callee, _ast.Attribute) else _described(callee)
            refuse(f"it depends on a call of {what}", node)
        if not frame.bindings(text.partition(".")[0]):
            refuse(f"it depends on a call of `{text}`", node)
        if isinstance(callee, _ast.Attribute):
            base = self._expression(callee.value, frame)
            if not isinstance(base, (_External, SourceModule)):
                refuse(f"it depends on a call of `{text}`", node)
            value = self._attribute(base, callee, frame)
        else:
            value = self._expression(callee, frame)
        kind = _SPEC_CLASSES.get(value.name) if isinstance(value, _External) else None
        if kind is not None:
            if not frame.local_bindings(text):
                self._reliance.classes.add((frame.module.name, text))
            return self._spec(kind, node, frame)
        if not isinstance(value, _Function):
            refuse(f"it depends on a call of `{text}`", node)
        if node.args or node.keywords or self._is_activate(value):
            refuse(f"`{text}` is called with arguments", node)
        return self._call(value)

    def _spec(self, kind: str, node: _ast.Call, frame: _Frame) -> _Spec:
        refuse, parameters = frame.module.refuse, _PARAMETERS[kind]
        if len(node.args) > len(parameters):
            refuse(f"`{kind}` takes {len(parameters)} arguments", node)
        arguments: dict[str, _ast.expr] = {}
        for parameter, argument in zip(parameters, node.args):
            if isinstance(argument, _ast.Starred):
                refuse(f"`{kind}` is called with `*`", argument)
            arguments[parameter] = argument
        for keyword in node.keywords:
            if keyword.arg is None:
                refuse(f"`{kind}` is called with `**`", keyword.value)
            if keyword.arg not in parameters or keyword.arg in arguments:
                refuse(f"`{kind}` can't take `{keyword.arg}`", keyword.value)
            arguments[keyword.arg] = keyword.value
        for parameter in parameters:
            if parameter in _REQUIRED and parameter not in arguments:
                refuse(f"`{kind}` is called without `{parameter}`", node)
        fields: dict[str, Any] = {}
        for parameter, argument in arguments.items():
            if parameter in _CALLABLES:
                self._check_callable(argument, frame)
                continue
            value = self._expression(argument, frame)
            if isinstance(value, _External):
                refuse(f"`{value.name}` comes from another package", argument)
            if not isinstance(value, _Constant):
                refuse(f"`{parameter}` isn't a constant", argument)
            fields[parameter] = value.value
        return _Spec(kind, fields)

    def _check_callable(self, node: _ast.expr, frame: _Frame) -> None:
        """Check what a spec is to call: it must be there, and mustn't plainly be data.

        What it is beyond that is no fact of the plugin, and shows at activation.
        """
        refuse, data = frame.module.refuse, "a spec is given data where it needs a function"
        if not _may_be_called(node):
            refuse(data, node)
        if isinstance(node, (_ast.Name, _ast.Lambda)):
            self._reliance.deferred[id(node)] = (frame.module, node)
        if not isinstance(node, _ast.Name):
            return
        bindings = frame.bindings(node.id)
        if not bindings:
            refuse(f"`{node.id}` isn't defined in `{frame.module.name}`", node)
        for binding in bindings:
            if binding.rebinding:
                refuse(f"`{node.id}` {binding.rebinding}", binding.node)
            if isinstance(binding.node, _ast.expr) and not _may_be_called(binding.node):
                refuse(data, node)

    # Names

    def _lookup(self, node: _ast.Name, frame: _Frame) -> _Value:
        """Return what a name stands for where it is read."""
        self._reliance.consumed.add(id(node))
        bindings = frame.local_bindings(node.id)
        if bindings:
            return self._value(node.id, bindings, frame, start_of(node))
        until = None if frame.function else start_of(node)
        return self._module_name(frame.module, node.id, until, node)

    def _module_name(
        self,
        module: SourceModule,
        name: str,
        until: Position | None = None,
        node: _ast.AST | None = None,
    ) -> _Value:
        """Return what a name of a module stands for.

        Args:
            module: the module.
            name: the name.
            until: where the module's own level reads it; None if it has run.
            node: where it is read, for the message.
        """
        self._touch(module)
        self._reliance.names.add(name)
        bindings = module.scope.bindings.get(name, [])
        if not bindings:
            module.refuse(f"`{name}` isn't defined in `{module.name}`", node)
        if hasattr(builtins, name):
            module.refuse(f"`{name}` is a name of Python's own", bindings[0].node)
        module.step(1 + len(module.scope.star_imports) * len(bindings))
        for star_import in module.scope.star_imports:
            if any(binding.end <= start_of(star_import) for binding in bindings):
                module.refuse(f"`import *` may rebind `{name}`", star_import)
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                module.refuse(f"`{name}` is defined in too many steps", node)
            return self._value(name, bindings, _Frame(module), until)
        finally:
            self._depth -= 1

    def _touch(self, module: SourceModule) -> None:
        """Take note that names of a module are relied on."""
        for name in _SPECIAL_NAMES:
            if name in module.scope.bindings:
                node = module.scope.bindings[name][0].node
                module.refuse(f"`{name}` changes how names of the module are found", node)
        self._touched[module.name] = module

    def _value(
        self, name: str, bindings: list[Binding], frame: _Frame, until: Position | None
    ) -> _Value:
        refuse = frame.module.refuse
        frame.module.step(len(bindings))
        for binding in bindings:
            if binding.rebinding:
                refuse(f"`{name}` {binding.rebinding}", binding.node)
        last = max(bindings, key=lambda binding: binding.end)
        if until is not None and last.end > until:
            refuse(f"`{name}` is read before it is defined", last.node)
        if len(bindings) > 1 or not last.certain:
            refuse(f"`{name}` {CONDITIONAL}", last.node)
        value = self._bound_value(name, last, frame)
        if isinstance(value, (_Spec, tuple)):
            self._reliance.objects.add(name)
        elif isinstance(value, _Function):
            self._reliance.functions.add(name)
        return value

    def _bound_value(self, name: str, binding: Binding, frame: _Frame) -> _Value:
        node, module = binding.node, frame.module
        if isinstance(node, _ast.ImportFrom) and binding.alias is not None:
            return self._from_import(module.absolute(node), binding.alias.name, module, node)
        if binding.alias is not None:
            imported, asname = binding.alias.name, binding.alias.asname
            return self._module(imported if asname else imported.partition(".")[0])
        if isinstance(node, _ast.expr):
            value = self._expression(node, frame)
            if binding.shared and not isinstance(value, _Constant):
                module.refuse(f"`{name}` shares its value with another name", node)
            return value
        if isinstance(node, FUNCTIONS) and frame.function is None:
            return _Function(module, node)
        what = "a class" if isinstance(node, _ast.ClassDef) else "a function inside a function"
        module.refuse(f"`{name}` is {what}", node)

    def _module(self, name: str) -> _Value:
        return self._sources.module(name) or _External(name)

    def _from_import(
        self, base: str, name: str, module: SourceModule, node: _ast.ImportFrom
    ) -> _Value:
        own = self._sources.module(base)
        if own is not None:
            return self._member(own, name)
        path = f"{base}.{name}"
        if node.level and self._sources.module(path) is None:
            module.refuse(f"the distribution has no source of `{base}`", node)
        return self._external(path, module, node)

    def _external(self, path: str, module: SourceModule, node: _ast.AST) -> _Value:
        """Return what a dotted path stands for whose parent isn't the distribution's own."""
        if path not in _SPEC_CLASSES:
            return self._module(path)
        package = path.rpartition(".")[0]
        while package:
            if self._sources.module(package) is not None:
                module.refuse(f"the distribution brings a `{package}` of its own", node)
            package = package.rpartition(".")[0]
        return _External(path)

    def _member(self, module: SourceModule, name: str) -> _Value:
        """Return what `name` stands for as an attribute of a module.

        A package's submodule must not be bound by the package to anything else.
        """
        inner = self._sources.module(f"{module.name}.{name}") if module.is_package else None
        if inner is None:
            return self._module_name(module, name)
        self._touch(module)
        self._reliance.names.add(name)
        for binding in module.scope.bindings.get(name, ()):
            node = binding.node
            is_own = isinstance(node, _ast.ImportFrom) and module.absolute(node) == module.name
            if not (is_own and binding.alias is not None and binding.alias.name == name):
                module.refuse(f"`{name}` is also a submodule of `{module.name}`", node)
        for star_import in module.scope.star_imports:
            module.refuse(f"`import *` may rebind `{name}`", star_import)
        return inner

    def _attribute(self, base: _Value, node: _ast.Attribute, frame: _Frame) -> _Value:
        """Return what `base.attr` stands for."""
        self._reliance.names.add(node.attr)
        if isinstance(base, SourceModule):
            self._reliance.consumed.add(id(node))
            return self._member(base, node.attr)
        if isinstance(base, _External):
            return self._external(f"{base.name}.{node.attr}", frame.module, node)
        frame.module.refuse(f"`.{node.attr}` is an attribute of an object", node)


def _may_be_called(node: _ast.AST) -> bool:
    return isinstance(node, (_ast.Name, _ast.Attribute, _ast.Lambda, _ast.Call))


def _described(node: _ast.AST) -> str:
    name = type(node).__name__
    return _EXPRESSIONS.get(name, f"an expression of the kind `{name}`")


def _dotted(node: _ast.expr) -> str:
    """Return `a.b.c` for an expression that reads like it, else an empty string."""
    parts: list[str] = []
    while isinstance(node, _ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, _ast.Name):
        return ""
    return ".".join((node.id, *reversed(parts)))
