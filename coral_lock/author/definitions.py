"""Where the modules of a distribution define what its entry points name, by their sources."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from coral_lock.budget import OverBudgetError
from coral_lock.document.node import nearest
from coral_lock.static.source import (
    BrokenModuleError,
    NotEvaluableError,
    Scope,
    SourceModule,
    Sources,
    start_of,
)

_DYNAMIC = (b"globals(", b"vars(", b"exec(", b"setattr(", b"sys.modules")
"""What can bind a module's names without naming them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """The syntax node that defines something, and its file, relative to the site root."""

    path: str
    source: bytes
    module: SourceModule
    node: ast.AST

    def position(self, text: str | None = None) -> tuple[int, int]:
        """Return the line and the column, from 1.

        With `text` they are those of the first such string literal after the definition, else
        of the first in the file, else of the definition itself.
        """
        start = start_of(self.node)
        literals = sorted(
            start_of(node)
            for node in ast.walk(self.module.tree)
            if text is not None and isinstance(node, ast.Constant) and node.value == text
        )
        following = [position for position in literals if position >= start]
        line, offset = (*following, *literals, start)[0]
        before = b"".join(self.source.split(b"\n", line)[line - 1 : line])[:offset]
        return line, len(before.decode("utf-8", "replace")) + 1


class UnresolvedError(Exception):
    """An entry point names a module or an attribute that isn't there.

    Args:
        reason: why, as a phrase without a final period.
        path: the file to blame, relative to the site root; empty where there is none.
        line: the line in that file, from 1; 0 where there is none.
        column: the column in that line, from 1.
        hint: what may have been meant.
    """

    def __init__(
        self, reason: str, path: str, line: int, column: int = 1, hint: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.line = line
        self.column = column
        self.hint = hint


class Definitions:
    """Finds what the modules of one distribution define.

    Args:
        read_source: takes a path relative to the site root, with slashes, and returns the
            content of that file of the distribution, or None.
    """

    def __init__(self, read_source: Callable[[str], bytes | None]) -> None:
        self.sources = Sources(read_source)
        self._read = read_source

    def find(self, reference: str) -> Definition | None:
        """Return what defines an object; None where only running the code can tell.

        Imports of the distribution's own modules are followed; an import of another's defines it.

        Args:
            reference: `module:attribute`; of names joined by dots the first one is found.

        Raises:
            UnresolvedError: the distribution has no such module, or it has no such attribute.
        """
        module_name, _, attribute = reference.partition(":")
        name, _, rest = attribute.partition(".")
        try:
            found = self._find(self.sources.required_module(module_name), name, set())
        except BrokenModuleError as error:
            raise UnresolvedError(error.reason, error.path, error.line) from None
        except (NotEvaluableError, OverBudgetError, RecursionError):
            return None
        node = found.node
        if isinstance(node, ast.ClassDef) and rest and "." not in rest:
            is_plain = not (node.bases or node.keywords or node.decorator_list)
            if is_plain and rest not in Scope(found.module, node).bindings:
                reason = f"`{rest}` isn't defined in the class `{node.name}`"
                raise UnresolvedError(reason, found.path, *found.position())
        return found

    def _find(self, module: SourceModule, name: str, seen: set[tuple[str, str]]) -> Definition:
        """Return what defines a name of a module.

        `seen` has the modules and names that led here, which would lead here again.

        Raises:
            UnresolvedError: nothing does.
            NotEvaluableError: only running the code can tell.
        """
        undefined = UnresolvedError(f"`{name}` isn't defined in `{module.name}`", module.path, 1)
        if (module.name, name) in seen:
            raise undefined
        seen.add((module.name, name))
        not_run = _type_checking_nodes(module.tree)
        bindings = [
            binding
            for binding in sorted(
                module.scope.bindings.get(name, ()), key=lambda binding: start_of(binding.node)
            )
            if id(binding.node) not in not_run
        ]
        for binding in (*(each for each in bindings if each.alias is None), *bindings[-1:]):
            if isinstance(binding.node, ast.ImportFrom) and binding.alias is not None:
                return self._imported(module, binding.node, binding.alias.name, seen)
            return self._at(module, binding.node)
        for star in module.scope.star_imports:
            origin = self.sources.module(module.absolute(star))
            if origin is None:
                module.refuse(f"`{name}` may come from another package", star)
            with suppress(UnresolvedError):
                return self._find(origin, name, seen)
        source = self._read(module.path) or b""
        if "__getattr__" in module.scope.bindings or any(word in source for word in _DYNAMIC):
            module.refuse(f"`{name}` may be bound at run time")
        similar = nearest(name, module.scope.bindings)
        undefined.hint = f"did you mean `{module.name}:{similar}`?" if similar else None
        raise undefined

    def _imported(
        self, module: SourceModule, node: ast.ImportFrom, name: str, seen: set[tuple[str, str]]
    ) -> Definition:
        here = self._at(module, node)
        try:
            base = module.absolute(node)
        except NotEvaluableError as error:
            raise UnresolvedError(error.reason, module.path, *here.position()) from None
        origin = self.sources.module(base)
        if origin is not None:
            with suppress(UnresolvedError):
                return self._find(origin, name, seen)
        is_foreign = origin is None and self.sources.module(base.partition(".")[0]) is None
        if is_foreign or self.sources.module(f"{base}.{name}") is not None:
            return here
        reason = f"`{name}` isn't defined in `{base}`"
        if origin is None:
            reason = f"the distribution has no module `{base}`"
        raise UnresolvedError(reason, module.path, *here.position())

    def _at(self, module: SourceModule, node: ast.AST) -> Definition:
        source = self._read(module.path) or b""
        return Definition(path=module.path, source=source, module=module, node=node)


def _type_checking_nodes(tree: ast.Module) -> set[int]:
    """Return the identities of the nodes that only type checkers see."""
    return {
        id(node)
        for statement in tree.body
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING")
        for inner in statement.body
        for node in ast.walk(inner)
    }


def source_files(module: str) -> tuple[str, str]:
    """Return the paths under the site root at which a module's source can be."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py", f"{path}.py"
