"""No message names a command or an option that there isn't, or that its command doesn't have.

The messages are read from the source: every text that isn't a docstring. Which commands can
say one is told from the names that their functions use, and from the imports of other modules that
these come from, those within functions among them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.hints import (
    OPEN,
    bare_options,
    is_among,
    options_of_commands,
    wrong_commands,
    wrong_hints,
)
from tests.support.wheelhouse import REPOSITORY

PACKAGE = REPOSITORY / "coral_lock"
API = {"coral_lock", "coral_lock.api"}
"""What a program imports that embeds this package; no command runs it."""

EXEMPT: dict[tuple[str, str], frozenset[str] | None] = {
    # Said of what `manifest show` doesn't do with what it opens.
    ("coral_lock.author.subject:open_target", "--run"): frozenset({"manifest show"}),
    ("coral_lock.descriptor.load", "-c"): frozenset({"manifest show"}),
    ("coral_lock.probe.interpreter", "--site-packages"): frozenset({"manifest show"}),
    # Said where the option is given.
    ("coral_lock.locking.discovery", "--no-exec"): frozenset(
        {"init", "manifest show", "plugins check", "run", "verify"}
    ),
    # Said where a lock is derived, which only `lock` does.
    ("coral_lock.locking.placement", "--allow-editable"): frozenset(
        {"explain", "init", "plugins list", "run"}
    ),
    # It is uv's.
    ("coral_lock.installed.files", "--link-mode"): None,
    # It is Python's.
    ("coral_lock.children.child", "-S"): None,
    # No hint, but what a finding's code means.
    ("coral_lock.finding", "--set"): None,
    # Said of the device's start.
    ("coral_lock.fleet.gathering", "--device-id"): None,
    # Said of a machine that is looked at, which a fleet's reports tell of.
    ("coral_lock.verification.findings", "--integrity"): frozenset(
        {"fleet plan", "fleet summarize"}
    ),
}
"""Commands that import a module and can't say what it says of an option; None for all."""

FUNCTIONS = {
    "init": "start:init",
    "run": "start:run",
    "config validate": "config:validate",
    "config schema": "config:schema",
    "plugins list": "plugins:list_plugins",
    "plugins check": "plugins:check_plugins",
    "plugins new": "plugins:new_plugin",
    "manifest compile": "manifest:compile_manifest",
    "manifest validate": "manifest:validate",
    "manifest show": "manifest:show",
    "manifest schema": "manifest:schema",
    "fleet summarize": "fleet:summarize_command",
    "fleet plan": "fleet:plan",
    "fleet load": "fleet:load",
    "report show": "report:show",
    "report drain": "report:drain",
    "report device-id": "report:device_id",
    "git install": "git:install",
    "git uninstall": "git:uninstall",
    "git merge": "git:merge_stages",
    "git merge-driver": "git:merge_driver",
    "git textconv": "git:textconv",
}
"""The functions of commands that aren't called like them, after their modules in `cli`."""


@cache
def _sources() -> dict[str, ast.Module]:
    """Return the syntax tree of each module, by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def _text(node: ast.AST) -> str | None:
    """Return the text that an expression comes to, its open parts marked; None for others."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or OPEN for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None and right is None else (left or OPEN) + (right or OPEN)
    return None


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts within a node, without docstrings."""
    text = _text(node)
    if text is not None:
        yield text
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        is_part = text is not None and _text(child) is not None
        if not is_docstring and not is_part:
            yield from _texts(child)


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield the modules of the package that a node imports, but for type checking."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    yield from (name for name in names if name in _sources() and name not in API)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


@cache
def _units() -> dict[str, ast.AST]:
    """Return what is said together: by a definition in `cli` or `author`, or by another module."""
    found: dict[str, ast.AST] = {}
    for module, tree in _sources().items():
        if not module.startswith(("coral_lock.author.", "coral_lock.cli.")):
            found[module] = tree
            continue
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [node]
            names = (getattr(each, "name", getattr(each, "id", None)) for each in targets)
            found |= {f"{module}:{name}": node for name in names if name}
    return found


@cache
def _used_by(unit: str) -> frozenset[str]:
    """Return the units that one uses: a module those that it imports, a definition its names."""
    module, is_definition, _ = unit.partition(":")
    node, tree = _units()[unit], _sources()[module]
    if not is_definition:
        return frozenset(name for name in _imports(tree) if name in _units())
    own = [each for each in ast.walk(node) if isinstance(each, ast.ImportFrom)]
    sources = {
        alias.asname or alias.name: (str(each.module), alias.name)
        for each in (*(each for each in tree.body if isinstance(each, ast.ImportFrom)), *own)
        for alias in each.names
    }
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    names |= {alias.asname or alias.name for each in own for alias in each.names}
    used = set[str]()
    for name in names:
        source, original = sources.get(name, (module, name))
        possible = (f"{source}:{original}", f"{source}.{original}", source)
        used.update([each for each in possible if each in _units()][:1])
    return frozenset(used)


@cache
def _reached_from(command: str) -> frozenset[str]:
    start = f"coral_lock.cli.{FUNCTIONS.get(command, f'{command}:{command}')}"
    waiting, reached = [start], {start}
    while waiting:
        for other in _used_by(waiting.pop()):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return frozenset(reached)


@cache
def _named_options() -> frozenset[tuple[str, str]]:
    return frozenset(
        (unit, option)
        for unit, node in _units().items()
        for text in _texts(node)
        for option in bare_options(text)
    )


def test_texts_are_found_in_the_source() -> None:
    texts = {text for tree in _sources().values() for text in _texts(tree)}
    assert "run `coral-runtime lock` where it is installed, and have the change reviewed" in texts
    assert any(f"`--{OPEN}-version V`" in text for text in texts)
    assert len([text for text in texts if "`coral-runtime " in text]) > 20
    assert len(_named_options()) > 20


def test_every_command_that_a_message_shows_is_one() -> None:
    wrong = {
        (module, line)
        for module, tree in _sources().items()
        for text in _texts(tree)
        for line in wrong_commands(text)
    }
    assert wrong == set()


def test_every_option_that_a_message_names_is_the_command_s() -> None:
    wrong = {
        (unit, option, command)
        for unit, option in _named_options()
        for command, options in options_of_commands().items()
        if unit in _reached_from(command) and not is_among(option, options)
    }
    allowed = {
        (unit, option, command)
        for unit, option, command in wrong
        if (unit, option) in EXEMPT and command in (EXEMPT[unit, option] or options_of_commands())
    }
    assert wrong - allowed == set()
    assert {(unit, option) for unit, option, _ in allowed} == set(EXEMPT)


@pytest.mark.parametrize(
    ("words", "hint", "is_wrong"),
    [
        (("lock",), "tell its version with `--core-version V`", False),
        (("export",), "tell its version with `--core-version V`", True),
        (("init", "--locked"), "name another with `--state-dir DIR`", False),
        (("plugins", "list"), "name another with `--state-dir DIR`", True),
        (("plugins", "list"), "run `coral-runtime lock -c x --check`", False),
        (("plugins", "list"), "run `coral-runtime lock --locked`", True),
        (("plugins", "list"), "run `coral-runtime locks`", True),
        (("verify",), "write `coral-runtime run --locked -- app.py --port 9001`", False),
        (("verify",), "`coral-runtime init --locked` takes `--report FILE`", False),
        (("verify",), "see `coral-runtime --help`", False),
        (("verify",), "run `git checkout --ours coral.lock`", False),
        ((), "see `--help`", False),
    ],
)
def test_a_wrong_hint_is_told_from_a_right_one(
    words: tuple[str, ...], hint: str, is_wrong: bool
) -> None:
    line = f"  hint: {hint}"
    assert wrong_hints(words, f"error: x\n{line}\n") == ([line] if is_wrong else [])
