"""What runs before a spec is known, and whether it could change what was read.

The values that an evaluation found hold only if nothing that runs earlier rebinds a name,
reaches into a namespace, or gets hold of a spec or a factory. What runs is each module's own
level, the evaluated factories, and every function whose name is mentioned by what runs, in
whatever module. A function that is only given to a spec as `activate` or `supports` runs later
and may do anything, so what runs must not call those of any object.

Code of other distributions isn't followed: that none of it reaches into these modules while
it is imported is taken for granted, and checked by a locked start against the live spec.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from coral_lock.static.source import FUNCTIONS, FunctionNode, SourceModule, body_of, children

_FIELDS = frozenset({"name", "description", "min_core_version", "min_inference_version"})
_CALLABLES = frozenset({"activate", "supports"})
_REFLECTION = frozenset(
    {"__builtins__", "attrgetter", "delattr", "eval", "exec", "getattr", "globals"}
    | {"import_module", "locals", "methodcaller", "setattr", "vars"}
)
_NAMES = _REFLECTION | {"__import__", "__loader__", "__spec__", "breakpoint"}
_ATTRIBUTES = _REFLECTION | (
    {"__code__", "__delattr__", "__dict__", "__globals__", "__setattr__", "_getframe"}
    | {"currentframe", "f_back", "f_globals", "f_locals", "meta_path", "modules", "path_hooks"}
    | {"path_importer_cache", "setprofile", "settrace"}
)
_DEFERRED = (ast.Name, ast.Attribute, ast.Lambda)
_MODULES = frozenset({"__main__", "builtins"})
_MAIN_GUARD = ast.dump(ast.parse("__name__ == '__main__'", mode="eval").body)
"""A condition that holds in no plugin's module."""
_CHANGES = "can change what names stand for"


@dataclass(kw_only=True, slots=True)
class Reliance:
    """What an evaluation relied on, gathered while it runs.

    Attributes:
        modules: the modules whose names it read, by their names.
        names: the names that it read, of modules and as attributes.
        objects: the names of specs and sequences.
        factories: the functions that it evaluated, with their modules.
        consumed: the nodes that it read itself.
        deferred: the nodes that are only given to a spec.
        classes: the names of the classes of specs.
    """

    modules: dict[str, SourceModule] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    factories: dict[FunctionNode, SourceModule] = field(default_factory=dict)
    consumed: set[ast.expr] = field(default_factory=set)
    deferred: set[ast.expr] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)


def check_hazards(reliance: Reliance) -> None:
    """Check the modules that an evaluation read.

    Raises:
        NotEvaluableError: something that runs before the spec is known could have
            changed what the evaluation relied on.
    """
    walk = _Walk(reliance)
    for function, module in reliance.factories.items():
        walk.push(module, function.body)
    for module in reliance.modules.values():
        walk.push(module, module.tree.body)
    walk.run()


class _Walk:
    """Walks over what runs. It keeps its own stack: a tree may be deeper than Python's."""

    def __init__(self, reliance: Reliance) -> None:
        self._reliance = reliance
        self._stack: list[tuple[SourceModule, ast.AST]] = []
        self._waiting: dict[str, list[tuple[SourceModule, Sequence[ast.AST]]]] = {}
        self._mentioned: set[str] = set()
        self._class_of: dict[ast.AST, str] = {}

    def push(self, module: SourceModule, nodes: Sequence[ast.AST]) -> None:
        """Add nodes to be visited next, in their order, so that the first hazard is reported."""
        self._stack.extend((module, node) for node in reversed(nodes))

    def run(self) -> None:
        """Visit what runs, and what that mentions."""
        while self._stack:
            module, node = self._stack.pop()
            module.step(1)
            apart = self._visit(module, node)
            self.push(module, [part for part in children(node) if part not in apart])

    def _mention(self, name: str) -> None:
        self._mentioned.add(name)
        for module, body in self._waiting.pop(name, ()):
            self.push(module, body)

    def _visit(self, module: SourceModule, node: ast.AST) -> Collection[ast.AST]:
        """Take in a node, and return the nodes beneath it that don't run with it."""
        if isinstance(node, FUNCTIONS):
            self._function(module, node)
            return body_of(node)
        if isinstance(node, ast.Lambda) and node in self._reliance.deferred:
            return body_of(node)
        if isinstance(node, ast.If) and ast.dump(node.test) == _MAIN_GUARD:
            return {node.test, *node.body}
        if isinstance(node, ast.ClassDef):
            self._class_of.update(dict.fromkeys(node.body, node.name))
            if node.decorator_list or node.bases or node.keywords:
                self._mention(node.name)
        elif isinstance(node, ast.Name):
            self._name(module, node)
        elif isinstance(node, ast.Attribute):
            self._attribute(module, node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(module, node)
        elif isinstance(node, ast.Call) and _identifier(node.func) in self._reliance.classes:
            given = (*node.args, *(keyword.value for keyword in node.keywords))
            self._reliance.deferred.update(each for each in given if isinstance(each, _DEFERRED))
        return ()

    def _function(self, module: SourceModule, node: FunctionNode) -> None:
        """Put off the body until the function, or the class whose method it is, is mentioned."""
        name = self._class_of.get(node, node.name)
        # Who makes an object calls such methods without naming them.
        if node.decorator_list or name.startswith("__"):
            self._mention(name)
        if node in self._reliance.factories:
            return
        if name in self._mentioned:
            self.push(module, node.body)
        else:
            self._waiting.setdefault(name, []).append((module, node.body))

    def _name(self, module: SourceModule, node: ast.Name) -> None:
        if node in self._reliance.deferred:
            return
        self._mention(node.id)
        if node.id in _NAMES:
            module.refuse(f"`{node.id}` {_CHANGES}", node)
        is_object = node.id in self._reliance.objects and isinstance(node.ctx, ast.Load)
        if is_object and node not in self._reliance.consumed:
            module.refuse(f"`{node.id}` is used where it may be changed", node)

    def _attribute(self, module: SourceModule, node: ast.Attribute) -> None:
        name, reliance = node.attr, self._reliance
        if name in _ATTRIBUTES or (name == "path" and _identifier(node.value) == "sys"):
            module.refuse(f"`.{name}` {_CHANGES}", node)
        if isinstance(node.ctx, ast.Load):
            self._mention(name)
            if name in _FIELDS:
                reliance.consumed.add(node.value)
            elif name in reliance.objects and node not in reliance.consumed:
                module.refuse(f"`.{name}` may be an object that is changed", node)
            elif name in _CALLABLES and node not in reliance.deferred:
                module.refuse(f"`.{name}` may be called before the spec is known", node)
            return
        is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
        if (
            (name.startswith("__") and name.endswith("__"))
            or (name in _FIELDS and not is_own)
            or not reliance.names.isdisjoint((name, _identifier(node.value)))
        ):
            module.refuse(f"`.{name}` is changed before the spec is known", node)

    def _import(self, module: SourceModule, node: ast.Import | ast.ImportFrom) -> None:
        source = module.absolute(node) if isinstance(node, ast.ImportFrom) else ""
        objects = self._reliance.objects
        for alias in node.names:
            self._mention(alias.name)
            if (source or alias.name) in _MODULES:
                module.refuse(f"`{source or alias.name}` {_CHANGES}", node)
            if source and alias.name in _ATTRIBUTES | _NAMES:
                module.refuse(f"`{alias.name}` {_CHANGES}", node)
            if source and alias.name in objects and (alias.asname or alias.name) not in objects:
                module.refuse(f"`{alias.name}` is imported under a second name", node)


def _identifier(node: ast.expr) -> str:
    """Return the last name of an expression like `a.b.c`, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
