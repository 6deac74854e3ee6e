"""The section `targets` of a descriptor: nodes → targets."""

from __future__ import annotations

from coral_lock.document import expectations as expect
from coral_lock.document.node import dotted, shown
from coral_lock.targets.model import (
    MAX_TARGETS,
    Target,
    is_platform_tag,
    is_python_version,
    is_target_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from coral_lock.document.node import Mistakes, Node, Place

    Path: TypeAlias = tuple[str | int, ...]

TARGET_FIELDS = ("name", "python", "platform")
"""What each target says, and all of it."""

_EXPECTED = {
    "name": "a name: lower-case letters and digits, with `.`, `_` and `-` between them",
    "python": 'a version of Python 3 in quotes, like "3.10"',
    "platform": "a platform tag, like `manylinux_2_28_aarch64`",
}


def read_targets(node: Node, path: Path, mistakes: Mistakes) -> tuple[Target, ...]:
    """Return the targets in the list that `node` is, without those that are mistakes.

    A platform of a kind that isn't known is warned of.
    """
    found = expect.items(node, path, mistakes)
    if len(found) > MAX_TARGETS:
        mistakes.add(
            node.place,
            f"`{dotted(path)}` has too many entries",
            expected=f"at most {MAX_TARGETS}",
            found=str(len(found)),
        )
        return ()
    targets: list[Target] = []
    places: dict[str, Place] = {}
    for index, item in enumerate(found):
        place = (*path, index)
        fields = _fields(item, place, mistakes)
        name = fields["name"]
        if name is not None:
            name_node = item.value["name"]
            if name in places:
                _add_duplicate(name_node, (*place, "name"), places[name], mistakes)
                continue
            places[name] = name_node.place
        python, platform = fields["python"], fields["platform"]
        if name is not None and python is not None and platform is not None:
            targets.append(Target(name=name, python=python, platform=platform))
    return tuple(targets)


def _fields(node: Node, path: Path, mistakes: Mistakes) -> dict[str, str | None]:
    """Return what one target says; None stands for what is missing or a mistake."""
    members = expect.mapping(node, path, mistakes)
    for key, member in members.items():
        if key not in TARGET_FIELDS:
            expect.unknown_key(member, (*path, key), mistakes, TARGET_FIELDS)
    fields: dict[str, str | None] = {}
    for field in TARGET_FIELDS:
        place = (*path, field)
        fields[field] = None
        if field in members:
            fields[field] = _field(members[field], place, mistakes)
        elif isinstance(node.value, dict):
            mistakes.add(node.place, f"`{dotted(place)}` is missing", expected=_EXPECTED[field])
    return fields


def _field(node: Node, path: Path, mistakes: Mistakes) -> str | None:
    field = str(path[-1])
    if field == "platform":
        return _platform(node, path, mistakes)
    is_right = is_target_name if field == "name" else is_python_version
    return expect.text(node, path, mistakes, is_right, _EXPECTED[field])


def _platform(node: Node, path: Path, mistakes: Mistakes) -> str | None:
    from coral_lock.targets.option import doubt_of_platform, likely_platform

    expected = _EXPECTED["platform"]
    if isinstance(node.value, str) and not is_platform_tag(node.value):
        likely = likely_platform(node.value)
        hint = f"did you mean `{likely}`?" if likely else None
        expect.wrong_value(node, path, mistakes, expected, hint=hint)
        return None
    tag = expect.text(node, path, mistakes, is_platform_tag, expected)
    doubt = None if tag is None else doubt_of_platform(tag)
    if doubt is not None:
        mistakes.warn(f"{node.place}: {doubt}")
    return tag


def _add_duplicate(node: Node, path: Path, first: Place, mistakes: Mistakes) -> None:
    mistakes.add(
        node.place,
        f"`{dotted(path)}` is the name of another target too",
        expected="each name once",
        found=shown(node),
        hint=f"the first one is on line {first.line}" if first.line else None,
    )
