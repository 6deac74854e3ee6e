"""No message names a command or an option that there isn't, or that its command doesn't have.

The messages are read from the source: every text that isn't a docstring. Which commands can
say one is told from the imports of their modules, those within functions among them.
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

WITHOUT_DESCRIPTOR = frozenset({"config schema", "diff", "export", "plugins new", "verify"})
"""Commands that share a module with those that read one."""

OF_MANIFESTS = frozenset(f"manifest {name}" for name in ("compile", "schema", "show", "validate"))
"""Commands that read no descriptor, and import its options with the grammar of all commands."""

EXEMPT: dict[tuple[str, str], frozenset[str] | None] = {
    # Said of a descriptor's file, by the commands that read one.
    ("coral_lock.cli.grammar", "--config"): WITHOUT_DESCRIPTOR | OF_MANIFESTS,
    ("coral_lock.cli.grammar", "--no-config"): WITHOUT_DESCRIPTOR | OF_MANIFESTS,
    ("coral_lock.descriptor.load", "-c"): WITHOUT_DESCRIPTOR,
    # Said where the option is given, wrongly.
    ("coral_lock.derive.place", "--target"): frozenset({"plugins check"}),
    # Said of a lock, which `plugins check` has none of.
    ("coral_lock.verification.environment", "--target"): frozenset({"plugins check"}),
    # Said where the option is given.
    ("coral_lock.locking.discovery", "--no-exec"): frozenset(
        {"init", "plugins check", "run", "verify"}
    ),
    # Said where plugins are decided on, which neither does.
    ("coral_lock.locking.decision", "--…-version"): frozenset({"plugins check", "verify"}),
    # Said where a lock is derived, which only `lock` does.
    ("coral_lock.locking.placement", "--allow-editable"): frozenset(
        {"explain", "init", "plugins list", "run"}
    ),
    # It is uv's.
    ("coral_lock.installed.files", "--link-mode"): None,
    # No hint, but what a finding's code means.
    ("coral_lock.finding", "--set"): None,
}
"""Commands that import a module and can't say what it says of an option; None for all."""

MODULES = {
    "init": "start",
    "run": "start",
    "config validate": "config",
    "config schema": "config",
    "plugins list": "plugins_list",
    "plugins check": "plugins_check",
    "plugins new": "plugins",
    "manifest compile": "manifest",
    "manifest validate": "manifest",
    "manifest show": "manifest",
    "manifest schema": "manifest",
}
"""The modules of commands that aren't called like them."""


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
def _reached_from(module: str) -> frozenset[str]:
    waiting, reached = [module], {module}
    while waiting:
        for other in _imports(_sources()[waiting.pop()]):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return frozenset(reached)


def _module_of(command: str) -> str:
    return f"coral_lock.cli.{MODULES.get(command, command)}"


def _named_options() -> set[tuple[str, str]]:
    return {
        (module, option)
        for module, tree in _sources().items()
        for text in _texts(tree)
        for option in bare_options(text)
    }


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
        (module, option, command)
        for module, option in _named_options()
        for command, options in options_of_commands().items()
        if module in _reached_from(_module_of(command)) and not is_among(option, options)
    }
    allowed = {
        (module, option, command)
        for module, option, command in wrong
        if (module, option) in EXEMPT
        and command in (EXEMPT[module, option] or options_of_commands())
    }
    assert wrong - allowed == set()
    assert {(module, option) for module, option, _ in allowed} == set(EXEMPT)


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
