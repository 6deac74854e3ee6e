"""What runs before a spec is known, and whether it could change what was read.

The values that an evaluation found hold only if nothing that runs earlier rebinds a name,
reaches into a namespace, or gets hold of a spec. What runs is the module's own level, the
evaluated factories, and every function whose name is mentioned by what runs. A function
that is only given to a spec as `activate` or `supports` runs later and may do anything,
as long as nothing else gets hold of the spec.

Code of other modules isn't followed: that none of them reaches into this one while it is
imported is taken for granted, and checked by a locked start against the live spec.
"""

from __future__ import annotations

import _ast

from coral_lock.static.scope import children, is_main_guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coral_lock.static.scope import FunctionNode
    from coral_lock.static.source import SourceModule

SPEC_FIELDS = frozenset({"name", "description", "min_core_version", "min_inference_version"})

_NAMES = frozenset(
    {"__builtins__", "__import__", "__loader__", "__spec__", "attrgetter", "breakpoint"}
    | {"delattr", "eval", "exec", "globals", "locals", "methodcaller", "setattr", "vars"}
)
_ATTRIBUTES = frozenset(
    {"__builtins__", "__code__", "__delattr__", "__dict__", "__globals__", "__setattr__"}
    | {"_getframe", "attrgetter", "currentframe", "delattr", "eval", "exec", "f_back"}
    | {"f_globals", "f_locals", "globals", "locals", "meta_path", "methodcaller", "modules"}
    | {"path_hooks", "path_importer_cache", "setattr", "setprofile", "settrace", "vars"}
)
_MODULES = frozenset({"__main__", "builtins"})
_LEAVES = (_ast.Constant, _ast.expr_context, _ast.operator)
_FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)


class Reliance:
    """What an evaluation relied on, gathered while it runs.

    Attributes:
        names: the module-level names that it read, and the attributes by which it read them.
        objects: the names of specs and sequences; each with the function that it is local
            to, or None at module level.
        functions: the names of the functions that it took for factories.
        consumed: the ids of the nodes that it read itself.
        deferred: the ids of the nodes that are only given to a spec.
        factories: the functions that it evaluated and their modules, by the nodes' ids.
        classes: the module-level names of the classes of specs, each with its module.
    """

    __slots__ = ("classes", "consumed", "deferred", "factories", "functions", "names", "objects")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.objects: set[tuple[str, FunctionNode | None]] = set()
        self.functions: set[str] = set()
        self.consumed: set[int] = set()
        self.deferred: set[int] = set()
        self.factories: dict[int, tuple[SourceModule, FunctionNode]] = {}
        self.classes: set[tuple[str, str]] = set()


def check_hazards(modules: Iterable[SourceModule], reliance: Reliance) -> None:
    """Check the modules that an evaluation read.

    Raises:
        NotEvaluableError: something that runs before the spec is known could have
            changed what the evaluation relied on.
    """
    exchange = _Exchange()
    object_names = frozenset(name for name, _ in reliance.objects)
    exported = frozenset(name for name, owner in reliance.objects if owner is None)
    walks = {
        module.name: _Walk(module, reliance, object_names, exported, exchange) for module in modules
    }
    for module, function in reliance.factories.values():
        if module.name in walks:
            walks[module.name].begin_with(function)
    for walk in walks.values():
        walk.run()
    exchange.settle(tuple(walks.values()))


class _Exchange:
    """What modules get hold of in each other, by name: it may run there, and so on.

    Each name is handed on when it becomes known, so that the modules aren't compared pair
    by pair.
    """

    def __init__(self) -> None:
        self._takers: dict[str, list[_Walk]] = {}
        self._holders: dict[str, list[_Walk]] = {}
        self._news: list[tuple[str, _Walk]] = []
        self.defers = True

    def take(self, name: str, walk: _Walk) -> None:
        """Note that a module gets hold of what has that name in others."""
        takers = self._takers.setdefault(name, [])
        # Two are enough: each module then has another that takes the name.
        if walk not in takers and len(takers) < 2:
            takers.append(walk)
            self._news.extend(
                (name, holder) for holder in self._holders.get(name, ()) if holder is not walk
            )

    def hold(self, name: str, walk: _Walk) -> None:
        """Note that a module has something of that name that runs once another takes it."""
        holders = self._holders.setdefault(name, [])
        if walk not in holders[-1:]:
            holders.append(walk)
        if any(taker is not walk for taker in self._takers.get(name, ())):
            self._news.append((name, walk))

    def settle(self, walks: Sequence[_Walk]) -> None:
        """Let each module run what others take of it, until nothing is new."""
        told = True
        while self._news or told is not self.defers:
            if told is not self.defers:
                told = self.defers
                for walk in walks:
                    walk.undefer()
            news, self._news = self._news, []
            for name, walk in news:
                walk.mention(name)


class _Walk:
    """Walks over what runs of one module."""

    def __init__(
        self,
        module: SourceModule,
        reliance: Reliance,
        object_names: frozenset[str],
        exported: frozenset[str],
        exchange: _Exchange,
    ) -> None:
        self._module = module
        self._reliance = reliance
        self._object_names = object_names
        self._exported = exported
        self._exchange = exchange
        self._stack: list[tuple[_ast.AST, FunctionNode | None, str]] = []
        self._waiting: dict[str, list[tuple[FunctionNode, FunctionNode, str]]] = {}
        self._mentioned: set[str] = set()
        self._entered: set[int] = set()
        self._harmless: set[int] = set()
        self._held: dict[str, list[_ast.expr]] = {}
        self._skipped: list[_ast.AST] = []
        self._defers = True
        self._stack.append((self._module.tree, None, ""))

    def begin_with(self, function: FunctionNode) -> None:
        """Take in the body of a factory, too."""
        self._enter(function, function, "")

    def run(self) -> None:
        """Visit what runs, and what that gets hold of in this module."""
        visited = 0
        while self._stack:
            node, owner, class_name = self._stack.pop()
            if not isinstance(node, _LEAVES):
                visited += 1
                self._visit(node, owner, class_name)
        self._module.step(visited)

    def mention(self, name: str) -> None:
        """Take in what another module gets hold of."""
        self._mention(name)
        self.run()

    def undefer(self) -> None:
        """Take in what specs were given, as another module may get at the specs."""
        self._undefer()
        self.run()

    def _push(self, nodes: Iterable[_ast.AST], owner: FunctionNode | None, name: str = "") -> None:
        """Add nodes to be visited next, in their order, so that the first culprit is named."""
        self._stack.extend((node, owner, name) for node in reversed(tuple(nodes)))

    def _enter(self, function: FunctionNode, owner: FunctionNode, class_name: str) -> None:
        """Take in a function's body; `owner` is the outermost function around it, or itself."""
        if id(function) not in self._entered:
            self._entered.add(id(function))
            self._push(function.body, owner, class_name)

    def _visit(self, node: _ast.AST, owner: FunctionNode | None, class_name: str) -> None:
        if isinstance(node, _ast.Name):
            self._name(node, owner)
            return
        if isinstance(node, _FUNCTIONS):
            self._function(node, owner, class_name)
            return
        if isinstance(node, _ast.ClassDef):
            self._class(node, owner, class_name)
            return
        if owner is None and isinstance(node, _ast.If) and is_main_guard(node.test):
            self._push(node.orelse, owner, class_name)
            return
        if isinstance(node, _ast.Lambda) and self._is_deferred(node):
            self._push(children(node.args), owner)
            return
        is_top_level = owner is None and not class_name
        if is_top_level and isinstance(node, (_ast.Assign, _ast.AnnAssign)):
            self._push(self._runs_at_assignment(node), owner)
            return
        if isinstance(node, _ast.Attribute):
            self._attribute(node)
        elif isinstance(node, _ast.Call):
            self._call(node)
        elif isinstance(node, (_ast.Import, _ast.ImportFrom)):
            self._import(node)
        elif isinstance(node, _ast.Compare):
            self._harmless.update(map(id, filter(_is_module_name, (node.left, *node.comparators))))
        elif isinstance(node, _ast.FormattedValue):
            self._harmless.add(id(node.value))
        self._push(children(node), owner, class_name)

    def _function(self, node: FunctionNode, owner: FunctionNode | None, class_name: str) -> None:
        """Take in what a definition runs, and its body once something can call it."""
        annotations = filter(None, (node.returns,))
        self._push((*node.decorator_list, node.args, *annotations), owner)
        key = class_name or node.name
        root = owner or node
        is_evaluated = id(node) in self._reliance.factories
        if key in self._mentioned or (node.decorator_list and not is_evaluated):
            self._enter(node, root, class_name)
        else:
            self._waiting.setdefault(key, []).append((node, root, class_name))
            self._exchange.hold(key, self)

    def _class(self, node: _ast.ClassDef, owner: FunctionNode | None, class_name: str) -> None:
        """Take in a class's body; its methods may run as soon as others get hold of the class."""
        name = class_name or node.name
        if node.decorator_list or node.bases or node.keywords:
            self._mention(name)
        self._push((*node.decorator_list, *node.bases, *node.keywords), owner)
        self._push(node.body, owner, name)

    def _mention(self, name: str) -> None:
        self._mentioned.add(name)
        self._release(name)
        for function, root, class_name in self._waiting.pop(name, ()):
            self._enter(function, root, class_name)

    def _name(self, node: _ast.Name, owner: FunctionNode | None) -> None:
        if self._is_deferred(node):
            return
        name = node.id
        self._mention(name)
        if name in self._reliance.functions and id(node) not in self._reliance.consumed:
            self._undefer()
        if name in _NAMES:
            self._module.refuse(f"`{name}` can change what a name stands for", node)
        if name == "__name__" and id(node) not in self._harmless:
            self._module.refuse("`__name__` is handed to code that may change this module", node)
        if name in self._object_names and isinstance(node.ctx, _ast.Load):
            self._check_object(node, owner)

    def _check_object(self, node: _ast.Name, owner: FunctionNode | None) -> None:
        if id(node) in self._reliance.consumed or id(node) in self._harmless:
            return
        if (node.id, owner) in self._reliance.objects or node.id in self._exported:
            self._module.refuse(f"`{node.id}` is used where it may be changed", node)

    def _attribute(self, node: _ast.Attribute) -> None:
        name = node.attr
        if name in _ATTRIBUTES:
            self._module.refuse(f"`.{name}` can change what a name stands for", node)
        if name == "path" and _last_identifier(node.value) == "sys":
            self._module.refuse("`sys.path` may redirect imports", node)
        if isinstance(node.ctx, _ast.Load):
            self._exchange.take(name, self)
            if name in self._reliance.functions and id(node) not in self._reliance.consumed:
                self._undefer()
            if name in SPEC_FIELDS:
                self._harmless.add(id(node.value))
            elif name in self._exported and id(node) not in self._reliance.consumed:
                self._module.refuse(f"`.{name}` may be an object that is changed", node)
            return
        is_own = isinstance(node.value, _ast.Name) and node.value.id == "self"
        if (
            (name.startswith("__") and name.endswith("__"))
            or (name in SPEC_FIELDS and not is_own)
            or name in self._reliance.names
            or _last_identifier(node.value) in self._reliance.names
        ):
            self._module.refuse(f"`.{name}` is changed before the spec is known", node)

    def _call(self, node: _ast.Call) -> None:
        called = _last_identifier(node.func)
        arguments = [
            argument.value if isinstance(argument, _ast.Starred) else argument
            for argument in (*node.args, *(keyword.value for keyword in node.keywords))
        ]
        if "logger" in called.lower():
            self._harmless.update(map(id, filter(_is_module_name, arguments)))
        for argument in arguments:
            if (
                isinstance(argument, _ast.Name)
                and argument.id in self._reliance.functions
                and id(argument) not in self._reliance.deferred
            ):
                self._module.refuse(f"`{argument.id}` is handed to `{called}`", argument)
        if called == "getattr" and not self._is_plain_getattr(arguments):
            self._module.refuse("`getattr` is called with a name that isn't plain", node)

    def _runs_at_assignment(self, node: _ast.Assign | _ast.AnnAssign) -> list[_ast.AST]:
        """Return what an assignment runs.

        What the value only holds, as items of a list or arguments of a spec, runs once
        the assigned name is mentioned.
        """
        targets = node.targets if isinstance(node, _ast.Assign) else [node.target]
        target, value = targets[0], node.value
        if value is None or len(targets) > 1 or not isinstance(target, _ast.Name):
            return list(children(node))
        held = self._held.setdefault(target.id, [])
        self._exchange.hold(target.id, self)
        runs: list[_ast.AST] = [node.annotation] if isinstance(node, _ast.AnnAssign) else []
        items = value.elts if isinstance(value, (_ast.List, _ast.Tuple)) else [value]
        for item in items:
            parts = [item]
            if isinstance(item, _ast.Call) and self._is_spec_class(item.func):
                self._call(item)
                parts = [*item.args, *(keyword.value for keyword in item.keywords)]
            for part in parts:
                is_held = isinstance(part, (_ast.Name, _ast.Lambda))
                (held if is_held else runs).append(part)
        if target.id in self._mentioned:
            self._release(target.id)
        return runs

    def _is_spec_class(self, node: _ast.expr) -> bool:
        name = node.id if isinstance(node, _ast.Name) else ""
        return (self._module.name, name) in self._reliance.classes

    def _release(self, name: str) -> None:
        """Take in what a name holds; what the evaluation read or deferred stays as it is."""
        self._push(self._held.pop(name, ()), None)

    def _is_deferred(self, node: _ast.AST) -> bool:
        is_deferred = self._defers and id(node) in self._reliance.deferred
        if is_deferred:
            self._skipped.append(node)
        return is_deferred

    def _undefer(self) -> None:
        """Take in all that specs were given, as somebody else may get at the specs."""
        self._defers = self._exchange.defers = False
        self._push(self._skipped, None)
        self._skipped = []

    def _is_plain_getattr(self, arguments: list[_ast.expr]) -> bool:
        name = arguments[1] if len(arguments) > 1 else None
        return (
            isinstance(name, _ast.Constant)
            and isinstance(name.value, str)
            and name.value not in _ATTRIBUTES
            and name.value not in self._exported
        )

    def _import(self, node: _ast.Import | _ast.ImportFrom) -> None:
        source = self._module.absolute(node) if isinstance(node, _ast.ImportFrom) else ""
        for alias in node.names:
            module = source or alias.name
            if module in _MODULES:
                self._module.refuse(f"`{module}` can change what a name stands for", node)
            self._exchange.take(alias.name, self)
            path = f"{source}.{alias.name}" if source else alias.name
            if path == self._module.name:
                self._module.refuse("the module imports itself", node)
            if not isinstance(node, _ast.ImportFrom):
                continue
            if alias.name in _ATTRIBUTES or alias.name in _NAMES:
                self._module.refuse(f"`{alias.name}` can change what a name stands for", node)
            if alias.name in self._exported and (alias.asname or alias.name) not in self._exported:
                self._module.refuse(f"`{alias.name}` is imported under a second name", node)


def _is_module_name(node: _ast.expr) -> bool:
    return isinstance(node, _ast.Name) and node.id == "__name__"


def _last_identifier(node: _ast.expr) -> str:
    if isinstance(node, _ast.Name):
        return node.id
    return node.attr if isinstance(node, _ast.Attribute) else ""
