"""What runs before a spec is known, and whether it could change what was read.

The values that an evaluation found hold only if nothing that runs earlier rebinds a name,
reaches into a namespace, or gets hold of a spec or a factory. What runs is each module's own
level, the evaluated factories, and every function whose name is mentioned by what runs, in
whatever module. A function that is only given to an evaluated spec as `activate` or
`supports` runs later and may do anything.

Code of other distributions isn't followed: that none of it reaches into these modules while
it is imported is taken for granted, and checked by a locked start against the live spec.
"""

from __future__ import annotations

import _ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from coral_lock.static.scope import FUNCTIONS, LEAVES, FunctionNode, children
from coral_lock.static.source import SourceModule

_FIELDS = frozenset({"name", "description", "min_core_version", "min_inference_version"})
_NAMES = frozenset(
    {"__builtins__", "__import__", "__loader__", "__spec__", "attrgetter", "breakpoint"}
    | {"delattr", "eval", "exec", "getattr", "globals", "locals", "methodcaller", "setattr"}
    | {"vars"}
)
_ATTRIBUTES = frozenset(
    {"__builtins__", "__code__", "__delattr__", "__dict__", "__globals__", "__setattr__"}
    | {"_getframe", "attrgetter", "currentframe", "delattr", "eval", "exec", "f_back"}
    | {"f_globals", "f_locals", "getattr", "globals", "locals", "meta_path", "methodcaller"}
    | {"modules", "path_hooks", "path_importer_cache", "setattr", "setprofile", "settrace"}
    | {"vars"}
)
_MODULES = frozenset({"__main__", "builtins"})
_CALLABLES = frozenset({"activate", "supports"})
_STEPS = 100
_CHANGES = "can rebind names"


@dataclass(kw_only=True, slots=True)
class Reliance:
    """What an evaluation relied on, gathered while it runs.

    Attributes:
        names: the names that it read, of modules and as attributes.
        objects: the names of specs and sequences.
        functions: the names of the functions that it took for factories.
        factories: the functions that it evaluated, with their modules.
        consumed: the ids of the nodes that it read itself.
        deferred: the nodes that are only given to a spec, with their modules, by id.
        classes: the names of the classes of specs, each with the name of its module.
    """

    names: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    factories: dict[int, tuple[SourceModule, FunctionNode]] = field(default_factory=dict)
    consumed: set[int] = field(default_factory=set)
    deferred: dict[int, tuple[SourceModule, _ast.expr]] = field(default_factory=dict)
    classes: set[tuple[str, str]] = field(default_factory=set)


def check_hazards(modules: Iterable[SourceModule], reliance: Reliance) -> None:
    """Check the modules that an evaluation read.

    Raises:
        NotEvaluableError: something that runs before the spec is known could have
            changed what the evaluation relied on.
    """
    walk = _Walk(reliance)
    for module, function in reliance.factories.values():
        walk.push(module, function.body)
    for module in modules:
        walk.push_module(module)
    walk.run()


class _Walk:
    """Walks over what runs. It keeps its own stack: a tree may be deeper than Python's.

    What stands in a class carries the name of the class: its methods may run once others get
    hold of the class.
    """

    def __init__(self, reliance: Reliance) -> None:
        self._reliance = reliance
        self._stack: list[tuple[SourceModule, _ast.AST, str]] = []
        self._waiting: dict[str, list[tuple[SourceModule, list[_ast.AST], str]]] = {}
        self._mentioned: set[str] = set()
        self._harmless: set[int] = set()

    def push(self, module: SourceModule, nodes: Iterable[_ast.AST], owner: str = "") -> None:
        """Add nodes to be visited next, in their order, so that the first culprit is named."""
        self._stack.extend((module, node, owner) for node in reversed(tuple(nodes)))

    def push_module(self, module: SourceModule) -> None:
        """Add the statements of a module's own level."""
        for statement in reversed(module.tree.body):
            if isinstance(statement, _ast.If) and _is_main_guard(statement.test):
                self.push(module, statement.orelse)
            elif isinstance(statement, (_ast.Assign, _ast.AnnAssign)):
                self._assignment(module, statement)
            else:
                self.push(module, (statement,))

    def run(self) -> None:
        """Visit what runs, and what that mentions."""
        visited = 0
        while self._stack:
            module, node, owner = self._stack.pop()
            if not isinstance(node, LEAVES):
                visited += 1
                self._visit(module, node, owner)
                if visited % _STEPS == 0:
                    module.step(_STEPS)

    def _mention(self, name: str) -> None:
        self._mentioned.add(name)
        for module, nodes, owner in self._waiting.pop(name, ()):
            self.push(module, nodes, owner)

    def _wait(
        self, name: str, module: SourceModule, nodes: Iterable[_ast.AST], owner: str = ""
    ) -> None:
        """Visit nodes once a name is mentioned."""
        if name in self._mentioned:
            self.push(module, nodes, owner)
        else:
            self._waiting.setdefault(name, []).append((module, list(nodes), owner))

    def _undefer(self) -> None:
        """Take in all that specs were given, as somebody may get hold of the specs."""
        deferred = list(self._reliance.deferred.values())
        self._reliance.deferred.clear()
        for module, node in deferred:
            self.push(module, (node,))

    def _assignment(self, module: SourceModule, node: _ast.Assign | _ast.AnnAssign) -> None:
        """Take in what an assignment at a module's own level runs.

        What the value only holds, as items of a list or arguments of a spec, waits until
        the assigned name is mentioned.
        """
        targets = node.targets if isinstance(node, _ast.Assign) else [node.target]
        if node.value is None or len(targets) > 1 or not isinstance(targets[0], _ast.Name):
            self.push(module, (node,))
            return
        runs: list[_ast.AST] = [node.annotation] if isinstance(node, _ast.AnnAssign) else []
        held: list[_ast.AST] = []
        for item in getattr(node.value, "elts", [node.value]):
            parts = [item]
            if isinstance(item, _ast.Call) and self._is_spec_class(module, item.func):
                parts = [*item.args, *(keyword.value for keyword in item.keywords)]
            for part in parts:
                if isinstance(part, _ast.Lambda):
                    runs.append(part.args)
                    if id(part) not in self._reliance.deferred:
                        held.append(part.body)
                else:
                    (held if isinstance(part, _ast.Name) else runs).append(part)
        self._wait(targets[0].id, module, held)
        self.push(module, runs)

    def _is_spec_class(self, module: SourceModule, node: _ast.expr) -> bool:
        return isinstance(node, _ast.Name) and (module.name, node.id) in self._reliance.classes

    def _visit(self, module: SourceModule, node: _ast.AST, owner: str) -> None:
        if isinstance(node, _ast.Name):
            self._name(module, node)
        elif isinstance(node, FUNCTIONS):
            self._function(module, node, owner)
        elif isinstance(node, _ast.ClassDef):
            self._class(module, node, owner)
        elif isinstance(node, _ast.Lambda) and id(node) in self._reliance.deferred:
            self.push(module, (node.args,))
        else:
            if isinstance(node, _ast.Attribute):
                self._attribute(module, node)
            elif isinstance(node, _ast.Call) and "logger" in _identifier(node.func).lower():
                self._harmless.update(id(each) for each in node.args if _is_module_name(each))
            elif isinstance(node, (_ast.Import, _ast.ImportFrom)):
                self._import(module, node)
            self.push(module, children(node), owner)

    def _function(self, module: SourceModule, node: FunctionNode, owner: str) -> None:
        """Take in what a definition runs, and its body once something can call it."""
        name = owner or node.name
        self.push(module, (*node.decorator_list, node.args, *filter(None, (node.returns,))))
        if node.decorator_list:
            self._mention(name)
        if id(node) not in self._reliance.factories:
            self._wait(name, module, node.body, owner)

    def _class(self, module: SourceModule, node: _ast.ClassDef, owner: str) -> None:
        """Take in a class's body, which runs where the class is defined."""
        name = owner or node.name
        if node.decorator_list or node.bases or node.keywords:
            self._mention(name)
        self.push(module, (*node.decorator_list, *node.bases, *node.keywords))
        self.push(module, node.body, name)

    def _name(self, module: SourceModule, node: _ast.Name) -> None:
        if id(node) in self._reliance.deferred:
            return
        self._mention(node.id)
        if node.id in _NAMES:
            module.refuse(f"`{node.id}` {_CHANGES}", node)
        if id(node) in self._harmless or id(node) in self._reliance.consumed:
            return
        if node.id == "__name__":
            module.refuse("`__name__` is passed to code that may change this module", node)
        is_object = node.id in self._reliance.objects or node.id in self._reliance.functions
        if is_object and isinstance(node.ctx, _ast.Load):
            module.refuse(f"`{node.id}` is used where it may be changed", node)

    def _attribute(self, module: SourceModule, node: _ast.Attribute) -> None:
        name = node.attr
        if name in _ATTRIBUTES:
            module.refuse(f"`.{name}` {_CHANGES}", node)
        if name == "path" and _identifier(node.value) == "sys":
            module.refuse("`sys.path` may redirect imports", node)
        if isinstance(node.ctx, _ast.Load):
            self._mention(name)
            if name in _FIELDS:
                self._harmless.add(id(node.value))
            elif id(node) not in self._reliance.consumed:
                if name in self._reliance.objects:
                    module.refuse(f"`.{name}` may be an object that is changed", node)
                if name in self._reliance.functions or name in _CALLABLES:
                    self._undefer()
            return
        is_own = isinstance(node.value, _ast.Name) and node.value.id == "self"
        if (
            (name.startswith("__") and name.endswith("__"))
            or (name in _FIELDS and not is_own)
            or name in self._reliance.names
            or _identifier(node.value) in self._reliance.names
        ):
            module.refuse(f"`.{name}` is changed before the spec is known", node)

    def _import(self, module: SourceModule, node: _ast.Import | _ast.ImportFrom) -> None:
        source = module.absolute(node) if isinstance(node, _ast.ImportFrom) else ""
        objects = self._reliance.objects | self._reliance.functions
        for alias in node.names:
            if (source or alias.name) in _MODULES:
                module.refuse(f"`{source or alias.name}` {_CHANGES}", node)
            self._mention(alias.name)
            if (f"{source}.{alias.name}" if source else alias.name) == module.name:
                module.refuse("the module imports itself", node)
            if source and alias.name in _ATTRIBUTES | _NAMES:
                module.refuse(f"`{alias.name}` {_CHANGES}", node)
            if source and alias.name in objects and (alias.asname or alias.name) not in objects:
                module.refuse(f"`{alias.name}` is imported under a second name", node)


def _is_main_guard(test: _ast.expr) -> bool:
    """Whether a condition reads `__name__ == "__main__"`, which no plugin's module is."""
    return (
        isinstance(test, _ast.Compare)
        and _is_module_name(test.left)
        and len(test.ops) == 1
        and isinstance(test.ops[0], _ast.Eq)
        and isinstance(test.comparators[0], _ast.Constant)
        and test.comparators[0].value == "__main__"
    )


def _is_module_name(node: _ast.expr) -> bool:
    return isinstance(node, _ast.Name) and node.id == "__name__"


def _identifier(node: _ast.expr) -> str:
    """Return the last name of an expression like `a.b.c`, else an empty string."""
    if isinstance(node, _ast.Name):
        return node.id
    return node.attr if isinstance(node, _ast.Attribute) else ""
