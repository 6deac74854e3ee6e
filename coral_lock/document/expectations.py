"""Typed getters over nodes: each returns the value, or puts a mistake on record."""

from __future__ import annotations

from coral_lock.document.node import INVALID, dotted, kind, nearest, shown
from coral_lock.names import is_plugin_name, nearest_id, normalized_name, split_plugin_id
from coral_lock.printable import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from coral_lock.document.node import Mistakes, Node

    Path: TypeAlias = tuple[str | int, ...]

_FLAG_WORDS = {
    "yes": "true",
    "y": "true",
    "on": "true",
    "true": "true",
    "1": "true",
    "no": "false",
    "n": "false",
    "off": "false",
    "false": "false",
    "0": "false",
}
"""What people write for true and false, in YAML 1.1 and elsewhere."""

A_FLAG = "true or false"
A_NAME = "a name: printable text on one line, without `@`"
A_REQUIREMENT = "a requirement such as `uvicorn>=0.30`, without marker or URL"
_LONGEST_REQUIREMENT = 500
A_MODULE = "a dotted module name, like `my_project.backends`"
A_PLUGIN_ID = "a plugin id: `<group>:<name>`, the group one of backends, patches, workflows"
A_DISTRIBUTION = "a distribution's name"
A_VERSION = 'a version (PEP 440) in quotes, like "0.0.4"'


def flag(node: Node, path: Path, mistakes: Mistakes, *, expected: str = A_FLAG) -> bool:
    """Return the boolean that `node` holds, False after a mistake."""
    if isinstance(node.value, bool):
        return node.value
    if node.value is not INVALID:
        word = _FLAG_WORDS.get(str(node.value).lower())
        hint = f"write `{word}` instead of `{node.value}`" if word else None
        if word and node.value == word:
            hint = f"write `{word}` without quotes"
        wrong_value(node, path, mistakes, expected, hint=hint)
    return False


def mapping(node: Node, path: Path, mistakes: Mistakes) -> dict[str, Node]:
    """Return the members of the mapping that `node` is, none after a mistake."""
    if isinstance(node.value, dict):
        return node.value
    if node.value is not INVALID:
        mistakes.add(
            node.place,
            f"`{dotted(path)}` isn't a mapping" if path else "the document isn't a mapping",
            expected="a mapping",
            found=kind(node),
            hint=f"write `{dotted(path[-1:])}: {{}}`, or remove the key"
            if path and isinstance(path[-1], str) and node.value is None
            else None,
        )
    return {}


def items(
    node: Node, path: Path, mistakes: Mistakes, *, are_names: bool = False
) -> tuple[Node, ...]:
    """Return the items of the list that `node` is, none after a mistake.

    Where they are names, a text is likely to be several that are separated by commas.
    """
    if isinstance(node.value, tuple):
        return node.value
    if node.value is not INVALID:
        hint = None
        if are_names and isinstance(node.value, str) and node.value.strip():
            names = ", ".join(name.strip() for name in node.value.split(","))
            hint = f"write it as a list: `[{shortened(names)}]`"
        wrong_value(node, path, mistakes, "a list", hint=hint)
    return ()


def text(
    node: Node,
    path: Path,
    mistakes: Mistakes,
    is_right: Callable[[str], bool],
    expected: str,
    *,
    known: tuple[str, ...] = (),
    likely: Callable[[str], str | None] | None = None,
) -> str | None:
    """Return the text that `node` holds, None after a mistake.

    Args:
        node: the value.
        path: where it stands.
        mistakes: where a mistake goes.
        is_right: whether a text will do.
        expected: what will do, in words.
        known: texts of which a wrong one may be a misspelling.
        likely: tells what is meant by a wrong one, in place of `known`.
    """
    if isinstance(node.value, str) and is_right(node.value):
        return node.value
    if node.value is not INVALID:
        hint = None
        if isinstance(node.value, str):
            similar = likely(node.value) if likely else nearest(node.value, known)
            hint = f"did you mean `{similar}`?" if similar else None
        elif node.text:
            # Unquoted, 1.10 is the number 1.1 and null is nothing at all.
            hint = f'quote it if it is meant as text: "{shown(node)}"'
        wrong_value(node, path, mistakes, expected, hint=hint)
    return None


def name(node: Node, path: Path, mistakes: Mistakes) -> str | None:
    """Return the name that `node` holds, None after a mistake."""
    return text(node, path, mistakes, is_plugin_name, A_NAME)


def choice(node: Node, path: Path, mistakes: Mistakes, choices: tuple[str, ...]) -> str | None:
    """Return which of the `choices` the node holds, None after a mistake."""
    expected = " or ".join(f"`{known}`" for known in choices)
    return text(node, path, mistakes, choices.__contains__, expected, known=choices)


def distribution(node: Node, path: Path, mistakes: Mistakes) -> str | None:
    """Return the distribution's name, normalized; None after a mistake."""
    checked = text(node, path, mistakes, _is_distribution, A_DISTRIBUTION)
    return None if checked is None else normalized_name(checked)


def version(node: Node, path: Path, mistakes: Mistakes) -> str | None:
    """Return the version that `node` holds, None after a mistake."""
    from coral_lock.document.versions import is_version

    return text(node, path, mistakes, is_version, A_VERSION)


def names(node: Node, path: Path, mistakes: Mistakes) -> tuple[str, ...]:
    """Return the names in the list that `node` is, without those that are mistakes."""
    return _texts(node, path, mistakes, is_plugin_name, A_NAME)


def modules(node: Node, path: Path, mistakes: Mistakes) -> tuple[str, ...]:
    """Return the module names in the list that `node` is, without those that are mistakes."""
    return _texts(node, path, mistakes, _is_module, A_MODULE)


def plugin_ids(node: Node, path: Path, mistakes: Mistakes) -> tuple[str, ...]:
    """Return the plugin ids in the list that `node` is, without those that are mistakes."""
    return _texts(node, path, mistakes, is_plugin_id, A_PLUGIN_ID, nearest_id)


def requirements(node: Node, path: Path, mistakes: Mistakes) -> tuple[str, ...]:
    """Return the requirements in the list that `node` is, without those that are mistakes."""
    return _texts(node, path, mistakes, _is_requirement, A_REQUIREMENT)


def choices(
    node: Node, path: Path, mistakes: Mistakes, choices: tuple[str, ...]
) -> tuple[str, ...]:
    """Return which of the `choices` are in the list that `node` is."""
    expected = " or ".join(f"`{known}`" for known in choices)
    return _texts(node, path, mistakes, choices.__contains__, expected, known=choices)


def wrong_value(
    node: Node,
    path: Path,
    mistakes: Mistakes,
    expected: str,
    *,
    hint: str | None = None,
) -> None:
    """Put on record that `node` isn't what is expected at `path`."""
    mistakes.add(
        node.place,
        f"`{dotted(path)}` has a wrong value",
        expected=expected,
        found=shown(node),
        hint=hint,
    )


def unknown_key(
    node: Node,
    path: Path,
    mistakes: Mistakes,
    known: Iterable[str],
    *,
    also: Iterable[str] = (),
) -> None:
    """Put on record that none of the `known` keys leads to `node`.

    The hint may name one of those that there are `also`, the list of what there is doesn't.
    """
    similar = nearest(str(path[-1]), (*known, *also))
    mistakes.add(
        node.origin,
        f"unknown key `{dotted(path)}`",
        expected=None if similar else f"one of {', '.join(known)}",
        hint=f"did you mean `{dotted((*path[:-1], similar))}`?" if similar else None,
    )


def _texts(
    node: Node,
    path: Path,
    mistakes: Mistakes,
    is_right: Callable[[str], bool],
    expected: str,
    likely: Callable[[str], str | None] | None = None,
    *,
    known: tuple[str, ...] = (),
) -> tuple[str, ...]:
    texts: dict[str, None] = {}
    for index, item in enumerate(items(node, path, mistakes, are_names=likely is None)):
        place = (*path, index)
        checked = text(item, place, mistakes, is_right, expected, known=known, likely=likely)
        if checked is not None and checked in texts:
            mistakes.add(
                item.place,
                f"`{dotted(path)}` holds an entry twice",
                expected="each entry once",
                found=shown(item),
            )
        elif checked is not None:
            texts[checked] = None
    return tuple(texts)


def _is_requirement(text: str) -> bool:
    """Whether a text looks like PEP 508 without URL and marker; `lock` reads it in full."""
    return (
        text[:1].isalnum()
        and text.isascii()
        and text.isprintable()
        and len(text) <= _LONGEST_REQUIREMENT
        and not set(text) & set(";@")
    )


def _is_module(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def is_plugin_id(text: str) -> bool:
    """Whether `text` is a plugin id."""
    try:
        split_plugin_id(text)
    except ValueError:
        return False
    return True


_OUTER = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_INNER = _OUTER | frozenset("._-")


def _is_distribution(text: str) -> bool:
    """Whether `text` is a name as the core metadata specification allows it."""
    return bool(text) and text[0] in _OUTER and text[-1] in _OUTER and _INNER.issuperset(text)
