"""What an expression of a plugin's source can stand for."""

from __future__ import annotations

import _ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from coral_lock.static.scope import FunctionNode
    from coral_lock.static.source import SourceModule

PLUGIN_SPEC = "PluginSpec"
BACKEND_ADAPTER = "BackendAdapter"

PARAMETERS = {
    PLUGIN_SPEC: ("name", "activate", "description", "min_core_version", "min_inference_version"),
    BACKEND_ADAPTER: ("name", "supports", "activate"),
}
"""The parameters of each kind of spec, in the order of its constructor."""

CALLABLES = ("activate", "supports")
REQUIRED = {
    PLUGIN_SPEC: ("name", "activate"),
    BACKEND_ADAPTER: ("name", "supports", "activate"),
}

SPEC_CLASSES = {
    "coral_inference.runtime.plugins.PluginSpec": PLUGIN_SPEC,
    "coral_inference.runtime.backends.BackendAdapter": BACKEND_ADAPTER,
    "coral_lock.PluginSpec": PLUGIN_SPEC,
    "coral_lock.BackendAdapter": BACKEND_ADAPTER,
    "coral_lock.plugin.spec.PluginSpec": PLUGIN_SPEC,
    "coral_lock.plugin.spec.BackendAdapter": BACKEND_ADAPTER,
}

CACHING_DECORATORS = frozenset({"functools.cache", "functools.lru_cache"})
TYPE_CHECKING_NAMES = frozenset({"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"})


class Value:
    """Base of what an expression can stand for."""

    __slots__ = ()


class Constant(Value):
    """A literal, or what literals are joined to."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class External(Value):
    """A name of another distribution or of the standard library, by its dotted path."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class OwnModule(Value):
    """A module of the same distribution."""

    __slots__ = ("module",)

    def __init__(self, module: SourceModule) -> None:
        self.module = module


class Function(Value):
    """A function at a module's top level."""

    __slots__ = ("module", "node")

    def __init__(self, module: SourceModule, node: FunctionNode) -> None:
        self.module = module
        self.node = node


class Spec(Value):
    """A `PluginSpec` or `BackendAdapter`: the arguments that are facts."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields


class Sequence(Value):
    """A list or tuple, or what a generator yields."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Value, ...]) -> None:
        self.items = items


def same(one: Value, other: Value) -> bool:
    """Whether two values can't be told apart by what they say of plugins."""
    if isinstance(one, Constant) and isinstance(other, Constant):
        return type(one.value) is type(other.value) and one.value == other.value
    if isinstance(one, External) and isinstance(other, External):
        kind = SPEC_CLASSES.get(one.name, one.name)
        return kind == SPEC_CLASSES.get(other.name, other.name)
    if isinstance(one, OwnModule) and isinstance(other, OwnModule):
        return one.module is other.module
    if isinstance(one, Function) and isinstance(other, Function):
        return one.node is other.node
    if isinstance(one, Spec) and isinstance(other, Spec):
        return one.fields.keys() == other.fields.keys() and all(
            same(Constant(value), Constant(other.fields[field]))
            for field, value in one.fields.items()
        )
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one.items) == len(other.items) and all(map(same, one.items, other.items))
    return False


_EXPRESSIONS = {
    "Await": "an `await`",
    "BoolOp": "an `and` or `or`",
    "Compare": "a comparison",
    "Dict": "a dictionary",
    "DictComp": "a comprehension",
    "GeneratorExp": "a generator expression",
    "Lambda": "a lambda",
    "ListComp": "a comprehension",
    "NamedExpr": "an assignment expression",
    "Set": "a set",
    "SetComp": "a comprehension",
    "Starred": "a starred expression",
    "Subscript": "a subscript",
    "Yield": "what a `yield` is sent",
    "YieldFrom": "what a `yield from` returns",
}
NOT_CALLABLE = (
    *(_ast.Constant, _ast.JoinedStr, _ast.BinOp, _ast.UnaryOp, _ast.Compare, _ast.List),
    *(_ast.Tuple, _ast.Set, _ast.Dict, _ast.ListComp, _ast.SetComp, _ast.DictComp),
    *(_ast.GeneratorExp, _ast.Await, _ast.Yield, _ast.YieldFrom, _ast.Starred),
)
"""The expressions that can't stand for a function, in all likelihood."""


def describe(node: _ast.AST) -> str:
    """Return what an expression is, in words."""
    name = type(node).__name__
    return _EXPRESSIONS.get(name, f"an expression of the kind `{name}`")


def dotted(node: _ast.expr) -> str:
    """Return `a.b.c` for an expression that reads like it, else an empty string."""
    parts: list[str] = []
    while isinstance(node, _ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, _ast.Name):
        return ""
    return ".".join((node.id, *reversed(parts)))
