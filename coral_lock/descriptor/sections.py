"""What a source says, section by section: nodes → settings, by path."""

from __future__ import annotations

from coral_lock.descriptor.model import DISCOVER_CHOICES, HOST_KEYS, SWITCH_FIELDS
from coral_lock.document import expectations as expect
from coral_lock.document.node import INVALID, Node, dotted, nearest
from coral_lock.names import is_plugin_name
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.record import Record
from coral_lock.reserved import ACCEPTABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from coral_lock.document.node import Mistakes, Place


if TYPE_CHECKING:
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


SECTIONS = (
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
    "services",
)
RESERVED_BACKEND_KEYS = ("auto_discover", "auto_patch_rknn", "modules")
"""The keys of `backends` that aren't the names of plugins."""

_A_SWITCH = f"true or false, or a mapping of {', '.join(SWITCH_FIELDS)}"
_VERY_ALIKE = 0.8


class Setting(Record):
    """A value, where it came from, and the key by which it was said."""

    value: Any
    where: str
    key: str


class Mention(Record):
    """That a source names a plugin, at which place, and whether it says `enabled`."""

    where: str
    decides: bool


class Settings:
    """What one source says.

    `values` are by path, e.g. `("patches", "x", "enabled")`; `mentions` tell of each plugin
    by group and name; `services` is the node of the free-form section.
    """

    def __init__(self) -> None:
        self.values: dict[Path, Setting] = {}
        self.mentions: dict[Path, Mention] = {}
        self.services: Node | None = None


def read_sections(root: Node, mistakes: Mistakes, synonym: str = "") -> Settings:
    """Return what the descriptor `root` says; what it says wrongly goes to `mistakes`.

    `synonym` is the key by which its only value was said, where that is another one.
    """
    return _Sections(mistakes, synonym).read(root)


def add_contradiction(first: Setting, second: Setting, place: Place, mistakes: Mistakes) -> None:
    """Put on record that two keys that mean the same have two values, if they have.

    Args:
        first: what the one says.
        second: what the other says.
        place: where that is.
        mistakes: where the mistake goes.
    """
    if first.value != second.value and first.key != second.key:
        mistakes.add(
            place,
            f"`{second.key}` contradicts `{first.key}`, which means the same",
            expected=f"{_value_in_words(first.value)}, as at {first.where}",
            found=_value_in_words(second.value),
            hint="remove one of them",
        )


def _value_in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)


class _Sections:
    def __init__(self, mistakes: Mistakes, synonym: str) -> None:
        self._mistakes = mistakes
        self._synonym = synonym
        self._settings = Settings()

    def read(self, root: Node) -> Settings:
        readers = {
            "platform": self._platform,
            "targets": self._targets,
            "host": self._host,
            "patches": self._patches,
            "workflows": self._workflows,
            "backends": self._backends,
            "plugins": self._plugins,
            "distributions": self._distributions,
            "extra_patches": self._extra_patches,
            "program": self._program,
            "services": self._services,
        }
        for key, node in expect.mapping(root, (), self._mistakes).items():
            reader = readers.get(key)
            if reader is not None:
                reader(node)
            elif key in FLAT_KEYS:
                self._flat(key, node)
            else:
                expect.unknown_key(node, (key,), self._mistakes, SECTIONS, also=FLAT_KEYS)
        return self._settings

    def _flat(self, key: str, node: Node) -> None:
        """Read one of the runtime's own keys."""
        path, named = FLAT_KEYS[key], (key,)
        value: object
        if path == BACKEND_MODULES:
            value = expect.modules(node, named, self._mistakes)
        else:
            value = expect.flag(node, named, self._mistakes)
        self._set(path, node, value, key)

    def _platform(self, node: Node) -> None:
        self._set(("platform",), node, expect.name(node, ("platform",), self._mistakes))

    def _targets(self, node: Node) -> None:
        # A start without targets doesn't pay for what only `lock` needs.
        from coral_lock.descriptor.targets import read_targets

        path = ("targets",)
        self._set(path, node, read_targets(node, path, self._mistakes))

    def _host(self, node: Node) -> None:
        for key, member in expect.mapping(node, ("host",), self._mistakes).items():
            path = ("host", key)
            if key in HOST_KEYS:
                self._set(path, member, expect.version(member, path, self._mistakes))
            else:
                expect.unknown_key(member, path, self._mistakes, HOST_KEYS)

    def _patches(self, node: Node) -> None:
        for name, member in expect.mapping(node, ("patches",), self._mistakes).items():
            path = ("patches", name)
            if name not in BUILT_IN_PATCHES:
                self._switch(member, path)
            elif isinstance(member.value, dict):
                self._mistakes.add(
                    member.place,
                    f"`{dotted(path)}` has a wrong value",
                    expected="true or false, as it is a patch of the host itself",
                    found="a mapping",
                )
            else:
                self._set(path, member, expect.flag(member, path, self._mistakes))

    def _workflows(self, node: Node) -> None:
        for name, member in expect.mapping(node, ("workflows",), self._mistakes).items():
            self._switch(member, ("workflows", name))

    def _backends(self, node: Node) -> None:
        for name, member in expect.mapping(node, ("backends",), self._mistakes).items():
            path = ("backends", name)
            if name == "modules":
                self._set(path, member, expect.modules(member, path, self._mistakes))
            elif name in RESERVED_BACKEND_KEYS:
                self._set(path, member, expect.flag(member, path, self._mistakes))
            else:
                self._switch(member, path)
                self._warn_of_similar_key(member.origin, path)

    def _warn_of_similar_key(self, place: Place, path: Path) -> None:
        """Warn of a backend plugin's name that looks like a misspelt key of the section."""
        similar = nearest(path[-1], RESERVED_BACKEND_KEYS, likeness=_VERY_ALIKE)
        if similar:
            self._mistakes.warn(
                f"{place}: `{dotted(path)}` is taken for the switch of a backend plugin; "
                f"did you mean `{dotted((*path[:-1], similar))}`?"
            )

    def _plugins(self, node: Node) -> None:
        for key, member in expect.mapping(node, ("plugins",), self._mistakes).items():
            path = ("plugins", key)
            if key != "discover":
                expect.unknown_key(member, path, self._mistakes, ("discover",))
                continue
            self._set(path, member, expect.choice(member, path, self._mistakes, DISCOVER_CHOICES))

    def _distributions(self, node: Node) -> None:
        for key, member in expect.mapping(node, ("distributions",), self._mistakes).items():
            name = expect.distribution(
                Node(value=key, place=member.origin), ("distributions", key), self._mistakes
            )
            fields = expect.mapping(member, ("distributions", key), self._mistakes)
            for field, value in fields.items():
                path = ("distributions", key, field)
                if field != "accept":
                    expect.unknown_key(value, path, self._mistakes, ("accept",))
                elif name is not None:
                    codes = expect.choices(value, path, self._mistakes, ACCEPTABLE)
                    self._set(("distributions", name, field), value, tuple(sorted(codes)))

    def _extra_patches(self, node: Node) -> None:
        path = ("extra_patches",)
        self._set(path, node, expect.names(node, path, self._mistakes))

    def _program(self, node: Node) -> None:
        for key, member in expect.mapping(node, ("program",), self._mistakes).items():
            path = ("program", key)
            if key == "requires":
                texts = expect.requirements(member, path, self._mistakes)
                self._set(path, member, tuple(sorted(texts)))
            else:
                expect.unknown_key(member, path, self._mistakes, ("requires",))

    def _services(self, node: Node) -> None:
        expect.mapping(node, ("services",), self._mistakes)
        if isinstance(node.value, dict):
            self._settings.services = node

    def _switch(self, node: Node, path: Path) -> None:
        """Read what a source says of one plugin."""
        if not is_plugin_name(path[-1]):
            self._mistakes.add(
                node.origin,
                f"`{dotted(path)}` can't be the name of a plugin",
                expected=expect.A_NAME,
            )
        elif not isinstance(node.value, dict):
            enabled = expect.flag(node, path, self._mistakes, expected=_A_SWITCH)
            self._set((*path, "enabled"), node, enabled)
            self._settings.mentions[path] = Mention(where=str(node.origin), decides=True)
        else:
            for field, member in node.value.items():
                self._switch_field(member, (*path, field))
            self._settings.mentions[path] = Mention(
                where=str(node.origin), decides="enabled" in node.value
            )

    def _switch_field(self, node: Node, path: Path) -> None:
        field = path[-1]
        if field in ("enabled", "optional"):
            self._set(path, node, expect.flag(node, path, self._mistakes))
        elif field == "after":
            ids = expect.plugin_ids(node, path, self._mistakes)
            self._set(path, node, tuple(sorted(ids)))
        elif field == "distribution":
            self._set(path, node, expect.distribution(node, path, self._mistakes))
        else:
            expect.unknown_key(node, path, self._mistakes, SWITCH_FIELDS)

    def _set(self, path: Path, node: Node, value: object, key: str = "") -> None:
        if node.value is INVALID:
            return
        key = key or self._synonym or dotted(path)
        said = Setting(value=value, where=str(node.origin), key=key)
        first = self._settings.values.setdefault(path, said)
        add_contradiction(first, said, node.origin, self._mistakes)
