"""What an entry point yields, read from its source without running any of it.

Evaluated are module-level factories, specs and lists of them whose fields are literals,
constants of the distribution's modules, and text joined from these. Anything else is refused.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from typing import Any, TypeAlias

from coral_lock.budget import OverBudgetError
from coral_lock.errors import shortened
from coral_lock.inventory import EntryPoint
from coral_lock.names import is_object_reference
from coral_lock.plugin.facts import PluginFacts, facts_from_fields
from coral_lock.plugin.spec import (
    ACTIVATE,
    BackendAdapter,
    PluginSpec,
    SpecError,
    classify_signature,
)
from coral_lock.static.hazards import Reliance, check_hazards
from coral_lock.static.source import (
    DEFINITIONS,
    FUNCTIONS,
    Binding,
    FunctionNode,
    NotEvaluableError,
    Position,
    Scope,
    SourceModule,
    Sources,
    children,
    start_of,
)

_MAX_DEPTH = 60
_MAX_STEPS = 20_000
_MAX_SPECS = 1000
_MAX_NESTING = 4
_MAX_TEXT = 100_000
_TEXT_OF_A_STEP = 64
_MAX_NUMBER = 1 << 63
_LONGEST_SHOWN = 60
_MOST_SHOWN_NODES = 100

_SIGNATURES = {each.__name__: signature(each) for each in (PluginSpec, BackendAdapter)}
_CALLABLES = ("activate", "supports")
_SPEC_CLASSES = {
    "coral_inference.runtime.plugins.PluginSpec": "PluginSpec",
    "coral_inference.runtime.backends.BackendAdapter": "BackendAdapter",
    **{f"coral_lock.{kind}": kind for kind in _SIGNATURES},
    **{f"coral_lock.plugin.spec.{kind}": kind for kind in _SIGNATURES},
}
_SPECIAL_NAMES = ("__getattr__", "__name__", "__package__", "__path__", "__spec__")
_MAY_BE_CALLED = (ast.Name, ast.Attribute, ast.Lambda, ast.Call)
_EXITS = {
    ast.Return: "return",
    ast.Yield: "yield",
    ast.YieldFrom: "yield from",
    ast.Raise: "raise",
    ast.Assert: "assert",
    ast.Await: "await",
}


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


_OBJECTS = (_External, _Function, _Spec, SourceModule, tuple)
_Value: TypeAlias = Any
"""What an expression stands for: one of `_OBJECTS`, or a constant itself.

A tuple is a list, a tuple, or what a generator yields.
"""


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
        check_hazards(self._reliance)
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
        if isinstance(node, ast.AsyncFunctionDef):
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
        self._reliance.factories[node] = module
        self._running.append(node)
        try:
            return self._body(node, module.function_scope(node))
        finally:
            self._running.pop()

    def _body(self, function: FunctionNode, scope: Scope) -> _Value:
        """Return what a function returns or yields, in statements of its body's own level."""
        refuse = scope.module.refuse
        yielded: list[_Value] = []
        for statement in function.body:
            value = statement.value if isinstance(statement, (ast.Return, ast.Expr)) else None
            if isinstance(statement, ast.Return) and scope.is_generator:
                if value is not None:
                    refuse("a generator returns a value", statement)
                break
            if isinstance(statement, ast.Return):
                if value is None:
                    refuse("the factory returns nothing", statement)
                return self._expression(value, scope)
            if not isinstance(value, (ast.Yield, ast.YieldFrom)):
                self._refuse_exits(statement, scope.module)
                continue
            if value.value is None:
                refuse("a bare `yield` yields nothing", value)
            item = self._expression(value.value, scope)
            if isinstance(value, ast.Yield):
                yielded.append(item)
            elif isinstance(item, tuple):
                yielded.extend(item)
            else:
                refuse("`yield from` is given something else than specs", value)
        if not scope.is_generator:
            refuse(f"`{function.name}` returns nothing", function)
        return tuple(yielded)

    def _refuse_exits(self, statement: ast.stmt, module: SourceModule) -> None:
        """Refuse a statement that may end or suspend the function."""
        stack: list[ast.AST] = [statement]
        visited = 0
        while stack:
            node = stack.pop()
            visited += 1
            if type(node) in _EXITS:
                module.refuse(f"`{_EXITS[type(node)]}` may end or suspend the factory here", node)
            if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                stack.extend(reversed(children(node)))
        module.step(visited)

    # Expressions

    def _expression(self, node: ast.expr, scope: Scope) -> _Value:
        self._depth += 1
        self._steps += 1
        scope.module.step(1)
        try:
            if self._depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
                scope.module.refuse("the expression is too large", node)
            return self._value_of(node, scope)
        finally:
            self._depth -= 1

    def _value_of(self, node: ast.expr, scope: Scope) -> _Value:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            self._reliance.consumed.add(node)
            owner = scope.owner(node.id)
            return self._named(node.id, owner, start_of(node) if owner is scope else None, node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope)
        if isinstance(node, (ast.List, ast.Tuple)):
            return tuple(self._expression(item, scope) for item in node.elts)
        if isinstance(node, ast.Call):
            return self._call_expression(node, scope)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], scope, node)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, scope, node)
        scope.module.refuse(f"it depends on {_shown(node)}", node)

    def _joined(self, parts: list[ast.expr], scope: Scope, whole: ast.expr) -> str:
        """Return the text of a concatenation or an f-string."""
        refuse = scope.module.refuse
        allowed: tuple[type, ...] = (str,)
        texts: list[str] = []
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                if part.format_spec is not None or part.conversion not in (-1, ord("s")):
                    refuse("an f-string formats a value", part)
                part, allowed = part.value, (str, int)
            value = self._expression(part, scope)
            if type(value) not in allowed or (isinstance(value, int) and abs(value) > _MAX_NUMBER):
                refuse("something else than text is joined to text", whole)
            texts.append(str(value))
        length = sum(map(len, texts))
        if length > _MAX_TEXT:
            refuse("the text is too long", whole)
        scope.module.step(length // _TEXT_OF_A_STEP)
        return "".join(texts)

    def _call_expression(self, node: ast.Call, scope: Scope) -> _Value:
        refuse, base = scope.module.refuse, node.func
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name) or base.id not in scope.owner(base.id).bindings:
            refuse(f"it depends on a call of {_shown(node.func)}", node)
        value = self._expression(node.func, scope)
        kind = _SPEC_CLASSES.get(value.name) if isinstance(value, _External) else None
        if kind is not None:
            if isinstance(node.func, ast.Name):
                self._reliance.classes.add((scope.module, node.func.id))
            return self._spec(kind, node, scope)
        if not isinstance(value, _Function):
            refuse(f"it depends on a call of {_shown(node.func)}", node)
        if node.args or node.keywords or self._is_activate(value):
            refuse(f"{_shown(node.func)} is called with arguments", node)
        return self._call(value)

    def _spec(self, kind: str, node: ast.Call, scope: Scope) -> _Spec:
        refuse = scope.module.refuse
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                refuse(f"`{kind}` is called with `*`", argument)
        keywords = {keyword.arg or "**": keyword.value for keyword in node.keywords}
        if "**" in keywords:
            refuse(f"`{kind}` is called with `**`", keywords["**"])
        if len(keywords) < len(node.keywords):
            refuse(f"`{kind}` is given an argument twice", node)
        try:
            arguments = _SIGNATURES[kind].bind(*node.args, **keywords).arguments
        except TypeError as error:
            refuse(f"`{kind}` can't be called like this: {error}", node)
        fields: dict[str, Any] = {}
        for parameter, argument in arguments.items():
            if parameter in _CALLABLES:
                self._check_callable(argument, scope)
                continue
            value = self._expression(argument, scope)
            if isinstance(value, _External):
                refuse(f"`{value.name}` comes from another package", argument)
            if isinstance(value, _OBJECTS):
                refuse(f"`{parameter}` isn't a constant", argument)
            fields[parameter] = value
        return _Spec(kind, fields)

    def _check_callable(self, node: ast.expr, scope: Scope) -> None:
        """Check what a spec is to call: it must be defined, and mustn't plainly be data.

        What it is beyond that is no fact of the plugin, and shows at activation.
        """
        refuse = scope.module.refuse
        value: ast.AST = node
        self._reliance.deferred.add(node)
        if isinstance(node, ast.Name):
            owner = scope.owner(node.id)
            binding = owner.binding(node.id)
            if binding is None:
                refuse(f"`{node.id}` isn't defined in `{scope.module.name}`", node)
            nodes = [each.node for each in owner.bindings[node.id]]
            if binding.problem and not all(isinstance(each, DEFINITIONS) for each in nodes):
                refuse(f"`{node.id}` {binding.problem}", binding.node)
            value = binding.node
        if isinstance(value, ast.expr) and not isinstance(value, _MAY_BE_CALLED):
            refuse("a spec is given data where it needs a function", value)

    # Names

    def _named(
        self, name: str, scope: Scope, until: Position | None = None, node: ast.AST | None = None
    ) -> _Value:
        """Return what a name of a scope stands for.

        Args:
            name: the name.
            scope: whose name it is.
            until: where the scope's own level reads it; None if it has run.
            node: where it is read, for the message.
        """
        module, refuse = scope.module, scope.module.refuse
        module.step(1)
        if scope.is_module:
            self._rely_on(module, name)
        binding = scope.binding(name)
        if binding is None:
            refuse(f"`{name}` isn't defined in `{module.name}`", node)
        if scope.is_module and hasattr(builtins, name):
            refuse(f"`{name}` is a name of Python's own", binding.node)
        for star_import in scope.star_imports[-1:]:
            if binding.end <= start_of(star_import):
                refuse(f"`import *` may rebind `{name}`", star_import)
        if until is not None and binding.end > until and not binding.problem:
            refuse(f"`{name}` is read before it is defined", binding.node)
        if binding.problem:
            refuse(f"`{name}` {binding.problem}", binding.node)
        value = self._bound(name, binding, scope)
        if isinstance(value, (_Spec, _Function, tuple)):
            self._reliance.objects.add(name)
        return value

    def _rely_on(self, module: SourceModule, name: str) -> None:
        """Take note that a name of a module is relied on."""
        for special in _SPECIAL_NAMES:
            if special in module.scope.bindings:
                node = module.scope.bindings[special][0].node
                module.refuse(f"`{special}` changes how names of the module are found", node)
        self._reliance.modules[module.name] = module
        self._reliance.names.add(name)

    def _bound(self, name: str, binding: Binding, scope: Scope) -> _Value:
        """Return what the only binding of a name gives it."""
        node, alias, module = binding.node, binding.alias, scope.module
        if isinstance(node, ast.ImportFrom) and alias is not None:
            return self._from_import(module.absolute(node), alias.name, module, node)
        if alias is not None:
            return self._module(alias.name if alias.asname else alias.name.partition(".")[0])
        if isinstance(node, ast.expr):
            return self._expression(node, scope)
        if isinstance(node, FUNCTIONS) and scope.is_module:
            return _Function(module, node)
        what = "a class" if isinstance(node, ast.ClassDef) else "a function inside a function"
        module.refuse(f"`{name}` is {what}", node)

    def _module(self, name: str) -> _Value:
        return self._sources.module(name) or _External(name)

    def _from_import(
        self, base: str, name: str, module: SourceModule, node: ast.ImportFrom
    ) -> _Value:
        own = self._sources.module(base)
        if own is not None:
            return self._member(own, name)
        path = f"{base}.{name}"
        if node.level and self._sources.module(path) is None:
            module.refuse(f"the distribution has no source of `{base}`", node)
        return self._module(path)

    def _member(self, module: SourceModule, name: str) -> _Value:
        """Return what `name` stands for as an attribute of a module.

        A package's submodule must not be bound by the package to anything else.
        """
        inner = self._sources.module(f"{module.name}.{name}") if module.is_package else None
        if inner is None:
            return self._named(name, module.scope)
        self._rely_on(module, name)
        for binding in module.scope.bindings.get(name, ()):
            node, alias = binding.node, binding.alias
            is_own = isinstance(node, ast.ImportFrom) and module.absolute(node) == module.name
            if not is_own or alias is None or alias.name != name:
                module.refuse(f"`{name}` is also a submodule of `{module.name}`", node)
        for star_import in module.scope.star_imports:
            module.refuse(f"`import *` may rebind `{name}`", star_import)
        return inner

    def _attribute(self, node: ast.Attribute, scope: Scope) -> _Value:
        """Return what an attribute of a module stands for."""
        base = self._expression(node.value, scope)
        self._reliance.names.add(node.attr)
        if isinstance(base, SourceModule):
            self._reliance.consumed.add(node)
            return self._member(base, node.attr)
        if isinstance(base, _External):
            return self._module(f"{base.name}.{node.attr}")
        scope.module.refuse(f"it depends on {_shown(node)}", node)


def _shown(node: ast.expr) -> str:
    """Return an expression as source text in backticks, cut short when it is long."""
    if len(tuple(islice(ast.walk(node), _MOST_SHOWN_NODES + 1))) > _MOST_SHOWN_NODES:
        return "a long expression"
    try:
        return f"`{shortened(ast.unparse(node), _LONGEST_SHOWN)}`"
    except ValueError:
        # Python before 3.12 can't write every f-string.
        return "an f-string"
