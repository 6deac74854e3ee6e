"""`CORAL_*` variables → nodes."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.document.mistakes import nearest
from coral_lock.document.node import Node, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.document.mistakes import Mistakes

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

_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "y": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "n": False,
    "off": False,
}


def read_environment(environment: Mapping[str, str], mistakes: Mistakes) -> Iterator[Node]:
    """Yield for each variable that is set a descriptor that holds only what it says.

    Variables come sorted by name; an empty one counts as not set. A value that can't be
    understood goes to `mistakes`, and a misspelt name is warned of.
    """
    for name in sorted(environment):
        value = environment[name].strip()
        place = Place(source=name)
        if not name.startswith("CORAL_") or not value:
            continue
        if name in TEXT_VARIABLES:
            yield _descriptor(TEXT_VARIABLES[name], Node(value=value, place=place))
        elif name in LIST_VARIABLES:
            items = [item.strip() for item in value.split(",")]
            nodes = tuple(Node(value=item, place=place) for item in items if item)
            yield _descriptor(LIST_VARIABLES[name], Node(value=nodes, place=place))
        elif name in FLAG_VARIABLES:
            flag = _FLAGS.get(value.lower())
            if flag is None:
                mistakes.add(
                    place,
                    f"`{name}` is neither true nor false",
                    expected="1, 0, true, false, yes, no, on or off",
                    found=quote(value[:60]),
                )
                continue
            yield _descriptor(FLAG_VARIABLES[name], Node(value=flag, place=place))
        elif name.startswith(_FAMILIES):
            shown = quote(name[:60])[1:-1]
            similar = nearest(name[:60], FLAG_VARIABLES, likeness=0)
            mistakes.warn(f"unknown variable `{shown}`; did you mean `{similar}`?")


def _descriptor(path: tuple[str, ...], node: Node) -> Node:
    for part in reversed(path):
        node = Node(value={part: node}, place=node.place, key_place=node.place)
    return node
