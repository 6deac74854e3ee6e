"""What an entry point yields, read from its source without running any of it.

Evaluated are module-level factories, specs and lists of them whose fields are literals and
constants of the distribution's modules. Anything else is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeAlias

from coral_lock.budget import OverBudgetError
from coral_lock.errors import shortened
from coral_lock.inventory import EntryPoint
from coral_lock.names import is_object_reference
from coral_lock.plugin.facts import PluginFacts, facts_of_spec
from coral_lock.plugin.spec import (
    BackendAdapter,
    PluginSpec,
    SpecError,
    live_specs,
    takes_config,
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
    own_nodes,
    start_of,
)

_LONGEST_SHOWN = 60

_Spec: TypeAlias = PluginSpec | BackendAdapter
_CALLABLES = ("activate", "supports")
_SPEC_CLASSES: dict[str, type[_Spec]] = {
    "coral_inference.runtime.plugins.PluginSpec": PluginSpec,
    "coral_inference.runtime.backends.BackendAdapter": BackendAdapter,
    "coral_lock.PluginSpec": PluginSpec,
    "coral_lock.BackendAdapter": BackendAdapter,
    "coral_lock.plugin.spec.PluginSpec": PluginSpec,
    "coral_lock.plugin.spec.BackendAdapter": BackendAdapter,
}
_SPECIAL_NAMES = ("__getattr__", "__name__", "__package__", "__path__", "__spec__")
_MAY_BE_CALLED = (ast.Name, ast.Attribute, ast.Lambda, ast.Call)
_EXITS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Raise, ast.Assert, ast.Await)


@dataclass(frozen=True, slots=True)
class _External:
    """A name of another distribution or of the standard library, by its dotted path."""

    name: str


@dataclass(frozen=True, slots=True)
class _Function:
    """A function at a module's own level; called, it is evaluated."""

    module: SourceModule
    node: FunctionNode
    evaluate: Callable[[_Function], _Value]

    def __call__(self) -> _Value:
        return self.evaluate(self)


_OBJECTS = (PluginSpec, BackendAdapter, _Function, list, tuple)
_Value: TypeAlias = Any
"""What an expression stands for: one of `_OBJECTS`, a constant itself, a module of the
distribution, or a name of another."""


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
    return tuple(map(facts_of_spec, evaluate_specs(entry_point, sources)))


def evaluate_specs(entry_point: EntryPoint, sources: Sources) -> tuple[_Spec, ...]:
    """Return the specs that an entry point yields.

    Their fields are certain, and may be wrong; what they would call is replaced.

    Raises:
        NotEvaluableError: as `evaluate`.
    """
    try:
        return _Evaluation(sources).specs_of(entry_point)
    except RecursionError:
        raise NotEvaluableError(
            "the source is nested too deep or refers to itself", "", 0
        ) from None
    except OverBudgetError as error:
        raise NotEvaluableError(str(error), "", 0) from None


class _Evaluation:
    """One evaluation of one entry point."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._reliance = Reliance()

    def specs_of(self, entry_point: EntryPoint) -> tuple[_Spec, ...]:
        """Return the specs, once it is certain that nothing changes them."""
        if not is_object_reference(entry_point.value):
            raise NotEvaluableError(f"`{entry_point.value}` isn't `module:attribute`", "", 0)
        module_name, _, attribute = entry_point.value.partition(":")
        module = self._sources.required_module(module_name)
        if "." in attribute:
            module.refuse(f"`{attribute}` isn't a name of the module's top level")
        value = _without_modules(self._member(module, attribute), module)
        try:
            specs = live_specs(value, entry_point.name, _is_activate)
        except SpecError as error:
            module.refuse(str(error))
        check_hazards(self._reliance)
        return specs

    def _call(self, function: _Function) -> _Value:
        """Return what a call without arguments returns, in the function's last statement."""
        node, refuse = function.node, function.module.refuse
        self._reliance.factories[node] = function.module
        last = node.body[-1]
        for inner in own_nodes(node.body):
            function.module.step(1)
            if isinstance(inner, _EXITS) and inner is not last:
                refuse(f"`{node.name}` may end or pause before its last statement", inner)
        if not isinstance(last, ast.Return) or last.value is None:
            refuse(f"`{node.name}` returns nothing", node)
        return self._value(last.value, function.module.function_scope(node))

    # Expressions

    def _value(self, node: ast.expr, scope: Scope) -> _Value:
        """Return what an expression stands for, which may not be a module or another's."""
        return _without_modules(self._expression(node, scope), scope.module, node)

    def _expression(self, node: ast.expr, scope: Scope) -> _Value:
        scope.module.step(1)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            self._reliance.consumed.add(node)
            owner = scope.owner(node.id)
            return self._named(node.id, owner, start_of(node) if owner is scope else None, node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope)
        if isinstance(node, ast.List):
            return [self._value(item, scope) for item in node.elts]
        if isinstance(node, ast.Tuple):
            return tuple(self._value(item, scope) for item in node.elts)
        if isinstance(node, ast.Call):
            return self._call_expression(node, scope)
        scope.module.refuse(f"it depends on {_shown(node)}", node)

    def _call_expression(self, node: ast.Call, scope: Scope) -> _Value:
        refuse = scope.module.refuse
        value = self._expression(node.func, scope)
        kind = _SPEC_CLASSES.get(value.name) if isinstance(value, _External) else None
        if kind is not None:
            if isinstance(node.func, ast.Name):
                self._reliance.classes.add(node.func.id)
            return self._spec(kind, node, scope)
        if not isinstance(value, _Function):
            refuse(f"it depends on a call of {_shown(node.func)}", node)
        if node.args or node.keywords:
            refuse(f"{_shown(node.func)} is called with arguments", node)
        return value()

    def _spec(self, kind: type[_Spec], node: ast.Call, scope: Scope) -> _Spec:
        name, refuse = kind.__name__, scope.module.refuse
        keywords = {keyword.arg or "**": keyword.value for keyword in node.keywords}
        if len(keywords) < len(node.keywords):
            refuse(f"`{name}` is given an argument twice", node)
        try:
            arguments = signature(kind).bind(*node.args, **keywords).arguments
        except TypeError as error:
            refuse(f"`{name}` can't be called like this: {error}", node)
        fields: dict[str, Any] = {}
        for parameter, argument in arguments.items():
            if parameter in _CALLABLES:
                self._check_callable(argument, scope)
                fields[parameter] = print
                continue
            fields[parameter] = self._value(argument, scope)
            if isinstance(fields[parameter], _OBJECTS):
                refuse(f"`{parameter}` isn't a constant", argument)
        return kind(**fields)

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
        if binding.problem:
            refuse(f"`{name}` {binding.problem}", binding.node)
        for star_import in scope.star_imports:
            if start_of(binding.node) < start_of(star_import):
                refuse(f"`import *` may rebind `{name}`", star_import)
        if until is not None and start_of(binding.node) > until:
            refuse(f"`{name}` is read before it is defined", binding.node)
        value = self._bound(name, binding, scope)
        if isinstance(value, _OBJECTS) and not isinstance(value, _Function):
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
            if isinstance(node, ast.AsyncFunctionDef) or _is_modified(node):
                module.refuse(f"`{name}` is asynchronous, generic or decorated", node)
            return _Function(module, node, self._call)
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


def _is_modified(node: FunctionNode) -> bool:
    return bool(node.decorator_list or getattr(node, "type_params", None))


def _is_activate(function: _Function) -> bool:
    """Tell an `activate(config)` function from a factory, as `is_activate` does."""
    arguments = function.node.args
    positional = (*arguments.posonlyargs, *arguments.args)
    return takes_config(
        len(positional),
        len(positional) - len(arguments.defaults),
        sum(default is None for default in arguments.kw_defaults),
        positional[0].arg if positional else "",
    )


def _without_modules(value: _Value, module: SourceModule, node: ast.AST | None = None) -> _Value:
    """Return a value that isn't a module, nor a name of another distribution."""
    if isinstance(value, _External):
        module.refuse(f"`{value.name}` comes from another package", node)
    if isinstance(value, SourceModule):
        module.refuse(f"`{value.name}` is a module", node)
    return value


def _shown(node: ast.expr) -> str:
    """Return an expression as source text in backticks, cut short when it is long."""
    try:
        return f"`{shortened(ast.unparse(node), _LONGEST_SHOWN)}`"
    except ValueError:
        # Python before 3.12 can't write every f-string.
        return "an f-string"
