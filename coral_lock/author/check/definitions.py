"""Whether entry points resolve, proven from the sources without importing them."""

from __future__ import annotations

import _ast
import _imp
import sys

from coral_lock.budget import Allowance, OverBudgetError
from coral_lock.document.node import nearest
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.record import Record
from coral_lock.static.scope import CLASS, IMPORT
from coral_lock.static.source import NotEvaluableError, SourceModule, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from coral_lock.author.check.subject import LearntEntryPoint, Subject
    from coral_lock.static.scope import Binding


PROVEN = "proven"
UNPROVEN = "unproven"
ABSENT = "absent"

_MAX_STEPS = 50
_DYNAMIC = (b"globals(", b"vars(", b"exec(", b"setattr(", b"sys.modules")
"""What can bind a module's names without naming them."""


class Resolution(Record):
    """The outcome of looking for an attribute.

    Args:
        status: `proven`, `unproven` or `absent`.
        reason: why it isn't proven, as a phrase without a final period.
        path: the file that defines it or is to blame, relative to the site root; empty
            where there is none.
        line: the line in that file, from 1; 0 where no line is to blame.
        column: the column in that line, from 1.
        hint: what may have been meant.
    """

    status: str
    reason: str = ""
    path: str = ""
    line: int = 0
    column: int = 0
    hint: str | None = None


class Definitions:
    """Finds what the modules of one distribution define.

    Args:
        read_source: takes a path relative to the site root, with slashes, and returns the
            content of that file of the distribution, or None.
    """

    def __init__(self, read_source: Callable[[str], bytes | None]) -> None:
        self._allowance = Allowance()
        self._read = self._allowance.reading(read_source)
        self._modules: dict[str, SourceModule | Resolution] = {}
        self._sources: dict[str, bytes] = {}

    def resolve(self, module: str, attribute: str) -> Resolution:
        """Return whether `module` is one of the distribution's and has that attribute.

        Imports of the distribution's own modules are followed.

        Args:
            module: the dotted name.
            attribute: a name, or names joined by dots.
        """
        found = self._module(module)
        if isinstance(found, Resolution):
            return found
        name, _, rest = attribute.partition(".")
        try:
            resolution, binding = self._name(found, name, 0)
        except OverBudgetError as error:
            return Resolution(status=UNPROVEN, reason=error.message)
        if rest and resolution.status == PROVEN:
            return self._member(resolution, binding, attribute)
        return resolution

    def module(self, name: str) -> SourceModule | None:
        """Return one of the distribution's modules, or None where it can't be read."""
        found = self._module(name)
        return None if isinstance(found, Resolution) else found

    def _module(self, name: str) -> SourceModule | Resolution:
        if name not in self._modules:
            try:
                self._modules[name] = self._load(name)
            except OverBudgetError as error:
                return Resolution(status=UNPROVEN, reason=error.message)
        return self._modules[name]

    def _load(self, name: str) -> SourceModule | Resolution:
        for path in source_files(name):
            source = self._read(path)
            if source is None:
                continue
            self._sources[path] = source
            try:
                return SourceModule(name, path, parse(source, path), self._allowance.step)
            except NotEvaluableError as error:
                status = ABSENT if error.line else UNPROVEN
                return Resolution(
                    status=status, reason=error.reason, path=path, line=error.line, column=1
                )
        stem = name.replace(".", "/")
        for suffix in _imp.extension_suffixes():
            for path in (f"{stem}{suffix}", f"{stem}/__init__{suffix}"):
                if self._read(path) is not None:
                    return Resolution(
                        status=UNPROVEN, reason=f"`{name}` is compiled, it has no source", path=path
                    )
        return Resolution(
            status=ABSENT, reason=f"the module `{name}` isn't among the distribution's files"
        )

    def _name(
        self, module: SourceModule, name: str, steps: int
    ) -> tuple[Resolution, Binding | None]:
        """Return whether a module binds a name, and by what."""
        self._allowance.step(len(module.scope.bindings.get(name, ())) + 1)
        live = [
            binding
            for binding in module.scope.bindings.get(name, ())
            if not binding.typing_only and not _is_deletion(binding)
        ]
        for binding in live:
            if binding.kind != IMPORT:
                return self._at(PROVEN, module, binding.node), binding
        for binding in reversed(live):
            return self._imported(module, binding, steps)
        for star in module.scope.star_imports:
            resolution, through = self._star_import(module, star, name, steps)
            if resolution.status != ABSENT:
                return resolution, through
        return self._unbound(module, name), None

    def _imported(
        self, module: SourceModule, binding: Binding, steps: int
    ) -> tuple[Resolution, Binding | None]:
        node = binding.node
        assert binding.alias is not None
        if not isinstance(node, _ast.ImportFrom):
            return self._at(PROVEN, module, node), binding
        if steps > _MAX_STEPS:
            return self._at(ABSENT, module, node, "it is imported in a circle"), None
        origin = self._origin(module, node)
        if isinstance(origin, SourceModule):
            resolution, through = self._name(origin, binding.alias.name, steps + 1)
            if resolution.status != ABSENT:
                return resolution, through
            reason = f"`{binding.alias.name}` isn't defined in `{origin.name}`"
            origin = resolution.replace(reason=reason)
        if self._is_submodule(module, node, binding.alias.name):
            return self._at(PROVEN, module, node), binding
        return self._at(origin.status, module, node, origin.reason), None

    def _is_submodule(self, module: SourceModule, node: _ast.ImportFrom, name: str) -> bool:
        """Whether a `from` import of that name finds one of the distribution's own modules."""
        try:
            origin = module.absolute(node)
        except NotEvaluableError:
            return False
        return self.module(f"{origin}.{name}") is not None

    def _origin(self, module: SourceModule, node: _ast.ImportFrom) -> SourceModule | Resolution:
        """Return the distribution's own module that a `from` import names."""
        try:
            origin = module.absolute(node)
        except NotEvaluableError as error:
            return Resolution(status=ABSENT, reason=error.reason)
        found = self._module(origin)
        if not isinstance(found, Resolution) or found.path:
            return found
        top = self._module(origin.partition(".")[0])
        if not isinstance(top, Resolution) or top.path:
            return found
        return Resolution(status=UNPROVEN, reason=f"it comes from another package, `{origin}`")

    def _star_import(
        self, module: SourceModule, star: _ast.ImportFrom, name: str, steps: int
    ) -> tuple[Resolution, Binding | None]:
        origin = self._origin(module, star)
        if isinstance(origin, Resolution):
            if origin.status == UNPROVEN:
                reason = f"it may come from a `*` import: {origin.reason}"
                return self._at(UNPROVEN, module, star, reason), None
            return origin, None
        if steps > _MAX_STEPS or (name.startswith("_") and "__all__" not in origin.scope.bindings):
            return Resolution(status=ABSENT), None
        return self._name(origin, name, steps + 1)

    def _unbound(self, module: SourceModule, name: str) -> Resolution:
        if "__getattr__" in module.scope.bindings:
            node = module.scope.bindings["__getattr__"][0].node
            return self._at(
                UNPROVEN, module, node, f"`{module.name}` makes its attributes in `__getattr__`"
            )
        source = self._sources[module.path]
        for word in _DYNAMIC:
            if word in source:
                line = source.count(b"\n", 0, source.index(word)) + 1
                return Resolution(
                    status=UNPROVEN,
                    reason=f"`{word.decode()}…` may bind it",
                    path=module.path,
                    line=line,
                    column=1,
                )
        similar = nearest(name, module.scope.bindings)
        return Resolution(
            status=ABSENT,
            reason=f"`{name}` isn't defined in `{module.name}`",
            path=module.path,
            line=1,
            column=1,
            hint=f"did you mean `{module.name}:{similar}`?" if similar else None,
        )

    def _member(
        self, resolution: Resolution, binding: Binding | None, attribute: str
    ) -> Resolution:
        """Return whether the object of the first name has the rest, where that can be told."""
        if (
            binding is not None
            and binding.kind == CLASS
            and isinstance(binding.node, _ast.ClassDef)
        ):
            node = binding.node
            _, _, rest = attribute.partition(".")
            if rest in _class_names(node):
                return resolution
            if not (node.bases or node.keywords or node.decorator_list or "." in rest):
                return resolution.replace(
                    status=ABSENT, reason=f"`{rest}` isn't defined in the class `{node.name}`"
                )
        return resolution.replace(
            status=UNPROVEN, reason=f"`{attribute}` is an attribute of an object"
        )

    def _at(
        self, status: str, module: SourceModule, node: _ast.AST, reason: str = ""
    ) -> Resolution:
        line, column = position_of(node, self._sources[module.path])
        return Resolution(status=status, reason=reason, path=module.path, line=line, column=column)

    def place_of_text(self, resolution: Resolution, text: str) -> Resolution:
        """Return where a text is written that the object of a resolution holds.

        It is looked for behind the definition first, then in the rest of its file; the
        definition itself is the answer where it is made of other texts.
        """
        source = self._sources.get(resolution.path)
        if source is None:
            return resolution
        try:
            tree = parse(source, resolution.path)
        except NotEvaluableError:
            return resolution
        places = sorted(
            position_of(node, source)
            for node in _walk(tree)
            if isinstance(node, _ast.Constant) and node.value == text
        )
        behind = [place for place in places if place >= (resolution.line, resolution.column)]
        for line, column in behind or places:
            return resolution.replace(line=line, column=column)
        return resolution


def position_of(node: _ast.AST, source: bytes) -> tuple[int, int]:
    """Return line and column of a node, both from 1 and in characters."""
    line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    lines = source.split(b"\n", line)
    before = lines[line - 1][:offset] if line <= len(lines) else b""
    return line, len(before.decode("utf-8", "replace")) + 1


def _is_deletion(binding: Binding) -> bool:
    return isinstance(binding.node, _ast.Name) and isinstance(binding.node.ctx, _ast.Del)


def _class_names(node: _ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)):
            yield statement.name
        elif isinstance(statement, _ast.Assign):
            for target in statement.targets:
                if isinstance(target, _ast.Name):
                    yield target.id
        elif isinstance(statement, _ast.AnnAssign) and isinstance(statement.target, _ast.Name):
            yield statement.target.id


def _walk(tree: _ast.AST) -> Iterator[_ast.AST]:
    stack: list[_ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        for field in node._fields:
            value = getattr(node, field, None)
            items = value if isinstance(value, list) else [value]
            stack.extend(item for item in items if isinstance(item, _ast.AST))


def source_files(module: str) -> tuple[str, str]:
    """Return the paths under the site root at which a module's source can lie."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py", f"{path}.py"


def is_standard_library(module: str) -> bool:
    """Whether a module is one of the interpreter's own, which wins over any distribution's."""
    return module.partition(".")[0] in sys.stdlib_module_names


def check_entry_points(subject: Subject, learnt: Iterable[LearntEntryPoint]) -> tuple[Finding, ...]:
    """Return a finding for each entry point that doesn't resolve, or can't be proven to."""
    findings = []
    for entry in learnt:
        resolution, value = entry.resolution, entry.declared.entry_point.value
        module = entry.declared.module
        if is_standard_library(module):
            findings.append(
                _unresolved(
                    entry,
                    f"`{module}` is a module of the standard library, which is imported instead "
                    "of the distribution's",
                    entry.declared.where,
                    "give the package another name",
                )
            )
        elif resolution.status == ABSENT:
            findings.append(
                _unresolved(
                    entry,
                    resolution.reason,
                    place(subject, entry),
                    resolution.hint or "correct the entry point, or the module that it names",
                )
            )
        elif resolution.status != PROVEN:
            findings.append(
                Finding(
                    code="entry-point-unproven",
                    severity=WARNING,
                    subject=entry.declared.id,
                    summary=f"nothing proves that `{value}` is there: {resolution.reason}",
                    where=place(subject, entry),
                    hint="define it in the module by its name, or try it with "
                    "`coral-runtime plugins check --run`",
                )
            )
    return sorted_findings(findings)


def _unresolved(entry: LearntEntryPoint, reason: str, where: str, hint: str) -> Finding:
    return Finding(
        code="entry-point-unresolved",
        severity=ERROR,
        subject=entry.declared.id,
        summary=f"the entry point `{entry.declared.entry_point.value}` doesn't resolve: {reason}",
        where=where,
        hint=hint,
    )


def place(subject: Subject, entry: LearntEntryPoint) -> str:
    """Return where the object of an entry point is defined, or else where it is declared."""
    resolution = entry.resolution
    if not resolution.line:
        return entry.declared.where
    return f"{subject.shown(resolution.path)}:{resolution.line}:{resolution.column}"
