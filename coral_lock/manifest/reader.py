"""Text → manifest, strictly: every mistake is told, with its place."""

from __future__ import annotations

from coral_lock.document import expectations as expect
from coral_lock.document.characters import decode
from coral_lock.document.node import INVALID, Mistakes, Node, dotted, nearest
from coral_lock.errors import InputError, ProblemsError
from coral_lock.manifest.model import (
    MANIFEST_VERSION,
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestPlugin,
)
from coral_lock.names import GROUPS, is_object_reference, nearest_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import FactsError, facts_from_fields
from coral_lock.plugin.terms import EnvironmentVariable, PluginTerms, Relation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Path: TypeAlias = tuple[str | int, ...]


TOP_KEYS = ("manifest_version", "plugins")
PLUGIN_KEYS = (
    "group",
    "name",
    "entry_point",
    "description",
    "min_core_version",
    "min_inference_version",
    "platforms",
    "after",
    "requires",
    "conflicts",
    "default_config_overrides",
    "env",
    "homepage",
)
"""The keys of a plugin, in the order in which they are written."""

_REQUIRED_KEYS = ("group", "name", "entry_point")
_A_VERSION = 'a version in quotes, like "0.0.4"'
_AN_ENTRY_POINT = "`module:attribute`"


def read_manifest(content: bytes, source: str) -> Manifest:
    """Return the manifest that the bytes of a file hold.

    Args:
        content: the whole file.
        source: how messages call it.

    Raises:
        InputError: there is one mistake, or the file isn't YAML.
        ProblemsError: there are several mistakes, by their position.
    """
    from coral_lock.document.yaml_reader import read_yaml

    if len(content) > MAX_MANIFEST_BYTES:
        raise InputError(
            f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes",
            found=f"{len(content)} bytes",
            where=source,
        )
    mistakes = Mistakes()
    root = read_yaml(decode(content, source), source, mistakes)
    manifest = _ManifestReader(mistakes).read(root)
    problems = mistakes.in_order()
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemsError(f"the manifest has {len(problems)} mistakes", tuple(problems))
    return manifest


class _ManifestReader:
    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes

    def read(self, root: Node) -> Manifest:
        members = self._mapping(root, (), TOP_KEYS, TOP_KEYS)
        version = members.get("manifest_version")
        if version is not None and (
            version.value != MANIFEST_VERSION or isinstance(version.value, bool)
        ):
            expect.wrong_value(
                version,
                ("manifest_version",),
                self._mistakes,
                str(MANIFEST_VERSION),
                hint="a later version needs a later coral-lock",
            )
        plugins: dict[str, ManifestPlugin] = {}
        for index, node in enumerate(self._list(members.get("plugins"), ("plugins",))):
            plugin = self._plugin(node, ("plugins", index))
            if plugin is None:
                continue
            if plugin.id in plugins:
                self._mistakes.add(
                    node.place,
                    f"`{plugin.id}` is declared twice",
                    expected="each plugin once",
                    found=f"the first at {plugins[plugin.id].place}",
                )
            plugins.setdefault(plugin.id, plugin)
        return Manifest(plugins=tuple(plugins.values()))

    def _plugin(self, node: Node, path: Path) -> ManifestPlugin | None:
        members = self._mapping(node, path, PLUGIN_KEYS, _REQUIRED_KEYS)
        values: dict[str, Any] = {}
        for key, member in members.items():
            values[key] = self._field(key, member, (*path, key))
        if any(values.get(key) is None for key in _REQUIRED_KEYS):
            return None
        try:
            facts = facts_from_fields(values)
        except FactsError as error:
            self._mistakes.add(node.place, f"`{dotted(path)}`: {error}")
            return None
        return ManifestPlugin(
            group=values["group"],
            entry_point=values["entry_point"],
            facts=facts,
            terms=PluginTerms(
                **{key: values[key] for key in PluginTerms._fields if values.get(key) is not None}
            ),
            place=str(node.place),
        )

    def _field(self, key: str, node: Node, path: Path) -> Any:
        if key == "group":
            return expect.choice(node, path, self._mistakes, GROUPS)
        if key == "name":
            return expect.name(node, path, self._mistakes)
        if key == "entry_point":
            return expect.text(node, path, self._mistakes, is_object_reference, _AN_ENTRY_POINT)
        if key in ("min_core_version", "min_inference_version"):
            return expect.text(node, path, self._mistakes, _is_version, _A_VERSION)
        if key == "platforms":
            return tuple(sorted(expect.names(node, path, self._mistakes)))
        if key == "after":
            return tuple(sorted(expect.plugin_ids(node, path, self._mistakes)))
        if key in ("requires", "conflicts"):
            return self._relations(node, path)
        if key == "default_config_overrides":
            return self._overrides(node, path)
        if key == "env":
            return self._variables(node, path)
        if key == "homepage":
            return expect.text(node, path, self._mistakes, _is_url, "an http(s) address")
        return expect.text(node, path, self._mistakes, str.isprintable, "one line of text")

    def _relations(self, node: Node, path: Path) -> tuple[Relation, ...]:
        relations = []
        for identifier, member in expect.mapping(node, path, self._mistakes).items():
            place = (*path, identifier)
            if not expect.is_plugin_id(identifier):
                self._mistakes.add(
                    member.origin,
                    f"`{dotted(place)}` isn't named by a plugin id",
                    expected=expect.A_PLUGIN_ID,
                    found=identifier,
                    hint=_likely_id(identifier),
                )
                continue
            reason = expect.text(
                member, place, self._mistakes, _is_reason, "the reason, one line of text"
            )
            relations.append(Relation(id=identifier, reason=reason or ""))
        return tuple(sorted(relations, key=lambda relation: relation.id))

    def _overrides(self, node: Node, path: Path) -> dict[str, Any]:
        members = self._mapping(node, path, ("patches", "services"), ())
        overrides: dict[str, Any] = {}
        if "patches" in members:
            switches = self._mapping(
                members["patches"], (*path, "patches"), tuple(sorted(BUILT_IN_PATCHES)), ()
            )
            overrides["patches"] = {
                name: expect.flag(member, (*path, "patches", name), self._mistakes)
                for name, member in sorted(switches.items())
            }
        if "services" in members:
            expect.mapping(members["services"], (*path, "services"), self._mistakes)
            if isinstance(members["services"].value, dict):
                overrides["services"] = members["services"].plain()
        return overrides

    def _variables(self, node: Node, path: Path) -> tuple[EnvironmentVariable, ...]:
        variables = []
        for name, member in expect.mapping(node, path, self._mistakes).items():
            place = (*path, name)
            if not _is_variable(name):
                self._mistakes.add(
                    member.origin,
                    f"`{dotted(place)}` isn't the name of an environment variable",
                    expected="letters, digits and underscores, like `ACME_TOKEN`",
                    found=name,
                )
                continue
            fields = self._mapping(member, place, ("required", "description"), ())
            required = fields.get("required")
            description = fields.get("description")
            variables.append(
                EnvironmentVariable(
                    name=name,
                    required=required is not None
                    and expect.flag(required, (*place, "required"), self._mistakes),
                    description=""
                    if description is None
                    else expect.text(
                        description,
                        (*place, "description"),
                        self._mistakes,
                        str.isprintable,
                        "one line of text",
                    )
                    or "",
                )
            )
        return tuple(sorted(variables, key=lambda variable: variable.name))

    def _mapping(
        self, node: Node, path: Path, known: Iterable[str], required: Iterable[str]
    ) -> dict[str, Node]:
        """Return the known members of a mapping, with unknown and missing keys on record."""
        known = tuple(known)
        members = expect.mapping(node, path, self._mistakes)
        for key, member in members.items():
            if key not in known:
                similar = nearest(key, known)
                self._mistakes.add(
                    member.origin,
                    f"unknown key `{dotted((*path, key))}`",
                    expected=None if similar else f"one of {', '.join(known)}",
                    hint=f"did you mean `{similar}`?" if similar else None,
                )
        if isinstance(node.value, dict):
            for key in required:
                if key not in members:
                    self._mistakes.add(node.place, f"`{dotted((*path, key))}` is missing")
        return {key: member for key, member in members.items() if key in known}

    def _list(self, node: Node | None, path: Path) -> tuple[Node, ...]:
        if node is None or node.value is INVALID:
            return ()
        if not isinstance(node.value, tuple):
            expect.wrong_value(node, path, self._mistakes, "a list of plugins")
            return ()
        return node.value


def _is_version(text: str) -> bool:
    from packaging.version import Version

    try:
        Version(text)
    except ValueError:
        # It isn't a version, or has more digits than Python turns into a number.
        return False
    return True


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and text.isprintable() and " " not in text


def _is_reason(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def _is_variable(text: str) -> bool:
    return text.isascii() and text.isidentifier()


def _likely_id(identifier: str) -> str | None:
    near = nearest_id(identifier)
    return f"did you mean `{near}`?" if near else None
