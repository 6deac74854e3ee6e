"""`--set KEY=VALUE` → nodes."""

from __future__ import annotations

from coral_lock.descriptor.synonyms import BACKEND_MODULES, own_path
from coral_lock.document.keys import dotted, split_setting
from coral_lock.document.mistakes import Mistakes
from coral_lock.document.node import INVALID, MAX_DEPTH, Node, Place
from coral_lock.document.node_builder import NodeBuilder
from coral_lock.errors import InputError
from coral_lock.printable import shortened
from coral_lock.record import Record

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


class SettingNode(Record):
    """What a `--set` says: a descriptor that holds nothing else.

    `synonym` is the key as it was written where that is one of the runtime's own, else empty.
    """

    root: Node
    synonym: str


def read_setting(setting: str, mistakes: Mistakes) -> SettingNode | None:
    """Return what `setting` says, None if it says nothing.

    A value that starts with a quote or a bracket is a YAML flow value. Any other is one
    scalar of YAML's core schema as it stands, so nothing in it has to be escaped; where a
    list of names is wanted, it is several that are separated by commas.

    Args:
        setting: `KEY=VALUE` with a dotted key, e.g. `patches.camera_stabilizer=true`.
        mistakes: where mistakes go.
    """
    try:
        written, key, value = split_setting(setting)
    except ValueError as error:
        place = Place(source=f"--set {shortened(setting.partition('=')[0], _LONGEST_PLACE)}")
        mistakes.add(place, f"not a setting: {error}", expected="KEY=VALUE")
        return None
    parts = own_path(written)
    shown = f"{key}={value}" if parts[0] in _MAY_BE_SHOWN else key
    place = Place(source=f"--set {shortened(shown, _LONGEST_PLACE)}")
    if len(parts) > MAX_DEPTH:
        mistakes.add(place, "the key is nested too deep", expected=f"at most {MAX_DEPTH} levels")
        return None
    node = _read_value(value.strip(), parts, place, mistakes)
    for part in reversed(parts):
        node = Node(value={part: node}, place=place, key_place=place)
    return SettingNode(root=node, synonym="" if parts == written else key)


def _read_value(value: str, parts: tuple[str, ...], place: Place, mistakes: Mistakes) -> Node:
    if parts in _LISTS and not value.startswith(_OPENS_YAML):
        names = (name.strip() for name in value.split(","))
        return Node(
            value=tuple(Node(value=name, place=place) for name in names if name),
            place=place,
            key_place=place,
        )
    if not value.startswith(_OPENS_YAML):
        builder = NodeBuilder(mistakes)
        return builder.plain(value, parts, place, place)
    from coral_lock.document.yaml_reader import read_yaml

    inner = Mistakes()
    try:
        node = read_yaml(value, place.source, inner, path=parts)
    except InputError as error:
        message = f"`{dotted(parts)}` can't be read: {error.message}"
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
