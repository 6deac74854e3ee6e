"""What the environment and `--set` say: each is a document that holds nothing else."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.document.node import (
    FLAG_WORDS,
    INVALID,
    MAX_DEPTH,
    Mistakes,
    Node,
    NodeBuilder,
    Place,
    dotted,
    nearest,
)
from coral_lock.errors import InputError, shortened
from coral_lock.plugin.config import BUILT_IN_PATCHES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    Path: TypeAlias = tuple[str, ...]

BACKEND_MODULES = ("backends", "modules")

FLAT_KEYS: dict[str, Path] = {
    "auto_discover_backends": ("backends", "auto_discover"),
    "auto_patch_rknn": ("backends", "auto_patch_rknn"),
    "backend_entry_modules": BACKEND_MODULES,
    **{attribute: ("patches", name) for name, attribute in sorted(BUILT_IN_PATCHES.items())},
}
"""A flat key, and the path of the key that it stands for."""

_OF_BACKENDS = {"auto": "auto_discover", "module": "modules"}


def own_path(parts: Path) -> Path:
    """Return the path that a key behind `--set` stands for: its own, or that of a synonym."""
    first = _normal(parts[0])
    if len(parts) == 1:
        return FLAT_KEYS.get(first, parts)
    second = _normal(parts[1])
    if first == "patch":
        return ("patches", second if second in BUILT_IN_PATCHES else parts[1], *parts[2:])
    if first == "backends" and len(parts) == 2:
        return (first, _OF_BACKENDS.get(second, parts[1]))
    return parts


def _normal(part: str) -> str:
    return part.lower().replace("-", "_")


TEXT_VARIABLES = {"CORAL_RUNTIME_PLATFORM": ("platform",)}

FLAG_VARIABLES = {
    "CORAL_AUTO_DISCOVER_BACKENDS": ("backends", "auto_discover"),
    "CORAL_AUTO_PATCH_RKNN": ("backends", "auto_patch_rknn"),
    "CORAL_ENABLE_BUFFER_SINK": ("patches", "buffer_sink"),
    "CORAL_ENABLE_CAMERA": ("patches", "camera"),
    "CORAL_ENABLE_METRIC_SINK": ("patches", "metric_sink"),
    "CORAL_ENABLE_PLUGINS": ("patches", "plugins"),
    "CORAL_ENABLE_SINK": ("patches", "sink"),
    "CORAL_ENABLE_STREAM_MANAGER": ("patches", "stream_manager"),
    "CORAL_ENABLE_VIDEO_SINK": ("patches", "video_sink"),
    "CORAL_ENABLE_WEBRTC": ("patches", "webrtc"),
}

LIST_VARIABLES = {
    "CORAL_BACKEND_MODULES": ("backends", "modules"),
    "CORAL_EXTRA_PATCHES": ("extra_patches",),
}

_FAMILIES = ("CORAL_ENABLE_", "CORAL_AUTO_")
"""Prefixes under which a variable that isn't known must be a misspelling."""


def read_environment(environment: Mapping[str, str], mistakes: Mistakes) -> Iterator[Node]:
    """Yield for each variable that is set a document that holds only what it says.

    Variables come sorted by name; an empty one counts as not set. A value that can't be
    understood goes to `mistakes`, and a misspelt name is warned of.
    """
    for name in sorted(environment):
        value = environment[name].strip()
        place = Place(source=name)
        if not name.startswith("CORAL_") or not value:
            continue
        if name in TEXT_VARIABLES:
            yield _document(TEXT_VARIABLES[name], Node(value=value, place=place))
        elif name in LIST_VARIABLES:
            yield _document(LIST_VARIABLES[name], _names(value, place))
        elif name in FLAG_VARIABLES:
            flag = FLAG_WORDS.get(value.lower())
            if flag is not None:
                yield _document(FLAG_VARIABLES[name], Node(value=flag, place=place))
                continue
            mistakes.add(
                place,
                f"`{name}` is neither true nor false",
                expected="1, 0, true, false, yes, no, on or off",
                found=quote(shortened(value, 60)),
            )
        elif name.startswith(_FAMILIES):
            shown = quote(name[:60])[1:-1]
            similar = nearest(name[:60], FLAG_VARIABLES, likeness=0)
            mistakes.warn(f"unknown variable `{shown}`; did you mean `{similar}`?")


def _document(path: Path, node: Node) -> Node:
    """Return a document with one value."""
    for part in reversed(path):
        node = Node(value={part: node}, place=node.place, key_place=node.place)
    return node


def _names(text: str, place: Place) -> Node:
    """Return the list of names that are separated by commas."""
    names = (name.strip() for name in text.split(","))
    nodes = tuple(Node(value=name, place=place) for name in names if name)
    return Node(value=nodes, place=place, key_place=place)


_MAY_BE_SHOWN = frozenset(
    {
        "platform",
        "targets",
        "host",
        "patches",
        "workflows",
        "backends",
        "plugins",
        "distributions",
        "extra_patches",
        "program",
    }
)
"""Values of other keys, `services` first of all, may be secrets: messages leave them out."""

_LONGEST_PLACE = 200
_OPENS_YAML = ("{", "[", '"', "'")


_LISTS = frozenset({BACKEND_MODULES, ("extra_patches",), ("program", "requires")})


def read_setting(setting: str, mistakes: Mistakes) -> tuple[Node, str] | None:
    """Return the document that a `--set` is, and the synonym by which it was said, else empty.

    A value that starts with a quote or a bracket is a YAML flow value. Any other is one
    scalar of YAML's core schema as it is, so nothing in it has to be escaped; where a
    list of names is expected, it is several that are separated by commas.

    Args:
        setting: `KEY=VALUE` with a dotted key, e.g. `patches.camera_stabilizer=true`.
        mistakes: where mistakes go; None is returned where the key is one.
    """
    try:
        written, key, value = split_setting(setting)
    except ValueError as error:
        place = Place(source=f"--set {shortened(setting.partition('=')[0], _LONGEST_PLACE)}")
        mistakes.add(place, f"not a setting: {error}", expected="KEY=VALUE")
        return None
    path = own_path(written)
    shown = f"{key}={value}" if path[0] in _MAY_BE_SHOWN else key
    place = Place(source=f"--set {shortened(shown, _LONGEST_PLACE)}")
    if len(path) > MAX_DEPTH:
        mistakes.add(place, "the key is nested too deep", expected=f"at most {MAX_DEPTH} levels")
        return None
    root = _document(path, _read_value(value.strip(), path, place, mistakes))
    return root, "" if path == written else key


def split_setting(text: str) -> tuple[tuple[str, ...], str, str]:
    """Return the parts of the key of `KEY=VALUE`, the key as it was written, and the value.

    Raises:
        ValueError: there is no `=`, or the key isn't a dotted key; the message says which.
    """
    parts: list[str] = []
    position = 0
    while True:
        part, position = _split_part(text, position)
        parts.append(part)
        separator = text[position : position + 1]
        if separator == "=":
            return tuple(parts), text[:position], text[position + 1 :]
        if separator != ".":
            raise ValueError("there is no `=` after the key" if not separator else _NOT_DOTTED)
        position += 1


_NOT_DOTTED = 'a key is names joined by dots, one with a dot in it quoted: `patches."odd.name"`'


def _split_part(text: str, start: int) -> tuple[str, int]:
    """Return the part of a key that starts at `start`, and where it ends."""
    if text.startswith('"', start):
        return _split_quoted_part(text, start)
    end = start
    while end < len(text) and text[end] not in '.="':
        end += 1
    if end == start:
        raise ValueError(_NOT_DOTTED)
    return text[start:end], end


def _split_quoted_part(text: str, start: int) -> tuple[str, int]:
    end = start + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise ValueError("the key's quote isn't closed")
    quoted = text[start : end + 1]
    if "\\" not in quoted:
        return quoted[1:-1], end + 1
    import json

    try:
        return str(json.loads(quoted)), end + 1
    except ValueError:
        raise ValueError("the key's quoted part isn't a JSON string") from None


def _read_value(value: str, path: Path, place: Place, mistakes: Mistakes) -> Node:
    if value.startswith(_OPENS_YAML):
        return _read_flow_value(value, path, place, mistakes)
    if path in _LISTS:
        return _names(value, place)
    return NodeBuilder(mistakes).plain(value, path, place, place)


def _read_flow_value(value: str, path: Path, place: Place, mistakes: Mistakes) -> Node:
    from coral_lock.document.reader import read_yaml

    inner = Mistakes()
    try:
        node = read_yaml(value, place.source, inner, path=path)
    except InputError as error:
        message = f"`{dotted(path)}` can't be read: {error.message}"
        mistakes.add(place, message, expected=error.expected)
        return Node(value=INVALID, place=place, key_place=place)
    for mistake in inner.in_order():
        mistakes.add(
            place,
            mistake.message,
            expected=mistake.expected,
            found=mistake.found,
            hint=mistake.hint,
        )
    return _placed(node, place)


def _placed(node: Node, place: Place) -> Node:
    """Return `node` with `place` everywhere: positions in an argument help nobody."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _placed(member, place) for key, member in value.items()}
    elif isinstance(value, tuple):
        value = tuple(_placed(item, place) for item in value)
    return Node(value=value, place=place, key_place=place, text=node.text)
