"""What the names of a plugin's modules stand for: Python's scopes and imports, read only."""

from __future__ import annotations

import _ast

from coral_lock.static.hazards import Reliance
from coral_lock.static.scope import (
    CLASS,
    FUNCTION,
    IMPORT,
    REBINDING,
    VALUE,
    start_of,
)
from coral_lock.static.values import (
    SPEC_CLASSES,
    TYPE_CHECKING_NAMES,
    Constant,
    External,
    Function,
    OwnModule,
    Sequence,
    Spec,
    Value,
    same,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coral_lock.static.scope import Binding, FunctionNode, Position, Scope
    from coral_lock.static.source import SourceModule, Sources

    Evaluate = Callable[[_ast.expr, "Frame"], Value]

_MAX_DEPTH = 50
_SPECIAL_NAMES = ("__getattr__", "__name__", "__package__", "__path__", "__spec__")


class Frame:
    """Where an expression stands: in a module, in one of its functions, at what time.

    Attributes:
        module: the module.
        function: the function, or None at the module's top level.
        scope: the function's scope, or None.
        limit: how far the module has run when the function is called; None stands for
            all of it.
    """

    __slots__ = ("function", "limit", "module", "scope")

    def __init__(
        self,
        module: SourceModule,
        function: FunctionNode | None = None,
        limit: Position | None = None,
    ) -> None:
        self.module = module
        self.function = function
        self.scope: Scope | None = None if function is None else module.function_scope(function)
        self.limit = limit

    def local_bindings(self, name: str) -> list[Binding]:
        """Return the bindings of a name that is local to the function."""
        scope = self.scope
        if scope is None or name in scope.global_names:
            return []
        return scope.bindings.get(name, [])

    def bindings(self, name: str) -> list[Binding]:
        """Return the bindings of a name, local ones or else the module's."""
        return self.local_bindings(name) or self.module.scope.bindings.get(name, [])


class Names:
    """Resolves names and imports.

    Args:
        sources: the distribution's modules.
        evaluate: gives the value of an expression.
        reliance: takes note of what is relied on.
    """

    def __init__(self, sources: Sources, evaluate: Evaluate, reliance: Reliance) -> None:
        self._sources = sources
        self._evaluate = evaluate
        self._reliance = reliance
        self._depth = 0
        self._touched: set[str] = set()
        self.touched: list[SourceModule] = []

    def touch(self, module: SourceModule) -> None:
        """Take note that names of a module are relied on.

        Raises:
            NotEvaluableError: the module binds a name that changes how modules work.
        """
        if module.name in self._touched:
            return
        for name in _SPECIAL_NAMES:
            if name in module.scope.bindings:
                node = module.scope.bindings[name][0].node
                module.refuse(f"`{name}` changes what the module's names stand for", node)
        self._touched.add(module.name)
        self.touched.append(module)

    def check_typing_guards(self) -> None:
        """Raise `NotEvaluableError` where something else poses as `TYPE_CHECKING`."""
        # More are touched on the way.
        for module in self.touched:
            self.check_guards_of(Frame(module), module.scope)

    def check_guards_of(self, frame: Frame, scope: Scope) -> None:
        """Raise `NotEvaluableError` where something else poses as `TYPE_CHECKING` in a scope."""
        for guard in scope.typing_guards:
            value = self._evaluate(guard, frame)
            if isinstance(value, External) and value.name in TYPE_CHECKING_NAMES:
                continue
            if not isinstance(value, Constant) or value.value is not False:
                frame.module.refuse("`TYPE_CHECKING` isn't that of `typing`", guard)

    def lookup(self, node: _ast.Name, frame: Frame) -> Value:
        """Return what a name stands for where it is read.

        Raises:
            NotEvaluableError: it isn't certain.
        """
        self._reliance.consumed.add(id(node))
        bindings = frame.local_bindings(node.id)
        if bindings:
            value = self._value(node.id, bindings, frame, start_of(node))
            if isinstance(value, (Spec, Sequence)):
                self._reliance.objects.add((node.id, frame.function))
            elif isinstance(value, Function):
                self._reliance.functions.add(node.id)
            return value
        until = frame.limit if frame.function else start_of(node)
        return self.module_name(frame.module, node.id, until, node)

    def module_name(
        self,
        module: SourceModule,
        name: str,
        until: Position | None = None,
        node: _ast.AST | None = None,
    ) -> Value:
        """Return what a name of a module stands for.

        Args:
            module: the module.
            name: the name.
            until: how far the module has run; None stands for all of it.
            node: where it is read, for the message.

        Raises:
            NotEvaluableError: it isn't certain.
        """
        self.touch(module)
        self._reliance.names.add(name)
        bindings = module.scope.bindings.get(name, [])
        if not bindings:
            module.refuse(f"`{name}` isn't defined in `{module.name}`", node)
        module.step(1 + len(module.scope.star_imports) * len(bindings))
        for star_import in module.scope.star_imports:
            if any(binding.end <= start_of(star_import) for binding in bindings):
                module.refuse(f"`import *` may rebind `{name}`", star_import)
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                module.refuse(f"`{name}` is defined in too many steps", node)
            value = self._value(name, bindings, Frame(module), until)
        finally:
            self._depth -= 1
        if isinstance(value, (Spec, Sequence)):
            self._reliance.objects.add((name, None))
        elif isinstance(value, Function):
            self._reliance.functions.add(name)
        return value

    def _value(
        self, name: str, bindings: list[Binding], frame: Frame, until: Position | None
    ) -> Value:
        refuse = frame.module.refuse
        frame.module.step(len(bindings))
        live = [binding for binding in bindings if not binding.typing_only]
        if not live:
            refuse(f"`{name}` is defined for type checkers only", bindings[0].node)
        for binding in live:
            if binding.kind == REBINDING:
                refuse(f"`{name}` {binding.reason}", binding.node)
        if until is not None and any(binding.end > until for binding in live):
            refuse(f"`{name}` is read before it is defined", live[-1].node)
        if len(live) == 1 and live[0].certain:
            return self._bound_value(name, live[0], frame)
        if any(binding.kind != IMPORT for binding in live):
            culprit = max(live, key=lambda binding: binding.end)
            refuse(f"`{name}` is assigned more than once or under a condition", culprit.node)
        values = [self._bound_value(name, binding, frame) for binding in live]
        for binding, value in zip(live, values):
            if not isinstance(value, (External, OwnModule)) or not same(value, values[0]):
                refuse(f"`{name}` is imported from different places", binding.node)
        return values[0]

    def _bound_value(self, name: str, binding: Binding, frame: Frame) -> Value:
        node = binding.node
        if binding.kind == IMPORT:
            return self._imported_value(binding, frame.module)
        if binding.kind == VALUE and isinstance(node, _ast.expr):
            value = self._evaluate(node, frame)
            if binding.shared and not isinstance(value, Constant):
                frame.module.refuse(f"`{name}` shares its value with another name", node)
            return value
        if (
            binding.kind == FUNCTION
            and isinstance(node, (_ast.FunctionDef, _ast.AsyncFunctionDef))
            and frame.function is None
        ):
            return Function(frame.module, node)
        what = "a class" if binding.kind == CLASS else "a function inside a function"
        frame.module.refuse(f"`{name}` is {what}", node)

    def _imported_value(self, binding: Binding, module: SourceModule) -> Value:
        node, alias = binding.node, binding.alias
        assert alias is not None
        if isinstance(node, _ast.ImportFrom):
            return self._from_import(module.absolute(node), alias.name, module, node)
        return self._module(alias.name if alias.asname else alias.name.partition(".")[0])

    def _module(self, name: str) -> Value:
        own = self._sources.module(name)
        return External(name) if own is None else OwnModule(own)

    def _from_import(
        self, base: str, name: str, module: SourceModule, node: _ast.ImportFrom
    ) -> Value:
        own = self._sources.module(base)
        if own is not None:
            return self.member(own, name)
        path = f"{base}.{name}"
        if node.level and self._sources.module(path) is None:
            module.refuse(f"the distribution has no source of `{base}`", node)
        return self._external(path, module, node)

    def _external(self, path: str, module: SourceModule, node: _ast.AST) -> Value:
        """Return what a dotted path stands for whose parent isn't the distribution's own."""
        if path not in SPEC_CLASSES:
            return self._module(path)
        package = path.rpartition(".")[0]
        while package:
            if self._sources.module(package) is not None:
                module.refuse(f"the distribution brings a `{package}` of its own", node)
            package = package.rpartition(".")[0]
        return External(path)

    def member(self, module: SourceModule, name: str) -> Value:
        """Return what `name` stands for as an attribute of a module.

        Raises:
            NotEvaluableError: it isn't certain, as when a package both binds the name
                and has a submodule of it.
        """
        inner = self._sources.module(f"{module.name}.{name}") if module.is_package else None
        if inner is None:
            return self.module_name(module, name)
        self.touch(module)
        self._reliance.names.add(name)
        for binding in module.scope.bindings.get(name, ()):
            if not self._is_import_of_submodule(binding, module, name):
                module.refuse(f"`{name}` is also a submodule of `{module.name}`", binding.node)
        for star_import in module.scope.star_imports:
            module.refuse(f"`import *` may rebind `{name}`", star_import)
        return OwnModule(inner)

    def _is_import_of_submodule(self, binding: Binding, module: SourceModule, name: str) -> bool:
        """Whether a package binds a name by importing its own submodule of that name."""
        return (
            binding.alias is not None
            and binding.alias.name == name
            and isinstance(binding.node, _ast.ImportFrom)
            and module.absolute(binding.node) == module.name
        )

    def attribute(self, base: Value, node: _ast.Attribute, frame: Frame) -> Value:
        """Return what `base.attr` stands for.

        Raises:
            NotEvaluableError: the base isn't a module, or the attribute isn't certain.
        """
        self._reliance.names.add(node.attr)
        if isinstance(base, OwnModule):
            self._reliance.consumed.add(id(node))
            return self.member(base.module, node.attr)
        if isinstance(base, External):
            path = f"{base.name}.{node.attr}"
            return self._external(path, frame.module, node)
        frame.module.refuse(f"`.{node.attr}` is an attribute of an object", node)


def require_no_special_names(frame: Frame) -> None:
    """Raise `NotEvaluableError` where a function has a local name that changes how modules work."""
    scope = frame.scope
    for name in _SPECIAL_NAMES if scope is not None else ():
        bindings = frame.local_bindings(name)
        if bindings:
            frame.module.refuse(f"`{name}` is a local name", bindings[0].node)
