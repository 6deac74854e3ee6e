"""`coral_plugin.yaml`: what a distribution declares of its plugins, without running them."""

from __future__ import annotations

from typing import Any

from coral_lock.document.node import Mistakes, Node
from coral_lock.document.reader import decode, read_yaml
from coral_lock.document.schema import check
from coral_lock.errors import InputError, raise_together, shortened
from coral_lock.inventory import EntryPoint
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    NO_TERMS,
    EnvironmentVariable,
    PluginFacts,
    PluginTerms,
    Relation,
)
from coral_lock.record import Record

MANIFEST_VERSION = 1


class ManifestPlugin(Record):
    """A plugin as a manifest declares it.

    `entry_point` is `module:attribute`; `place` is its position in the file.
    """

    group: str
    entry_point: str
    facts: PluginFacts
    terms: PluginTerms = NO_TERMS
    place: str = ""

    @property
    def id(self) -> str:
        return plugin_id(self.group, self.facts.name)

    def is_of(self, entry_point: EntryPoint) -> bool:
        """Whether it is one that an entry point yields."""
        return (self.group, self.entry_point) == (entry_point.group, entry_point.value)


def manifest_paths(module: str) -> tuple[str, ...]:
    """Return the possible paths, under the site root, of the manifest for an entry point's module.

    It is in the top-level package of the module. Where that is a namespace package, which
    several distributions share, it is in the topmost package that is the distribution's own.

    Args:
        module: the dotted name of the entry point's module.

    Returns:
        The paths to try in order; the first that is one of the distribution's files counts.
    """
    parts = module.split(".")
    return tuple("/".join((*parts[:depth], MANIFEST_NAME)) for depth in range(1, len(parts) + 1))


def read_manifest(content: bytes, source: str) -> tuple[ManifestPlugin, ...]:
    """Return the plugins that the bytes of a manifest declare, in its own order.

    Args:
        content: the whole file.
        source: how messages call it.

    Raises:
        InputError: there is one mistake, or the file isn't YAML.
        ProblemsError: there are several mistakes, by their position.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise InputError(
            f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes",
            found=f"{len(content)} bytes",
            where=source,
        )
    mistakes = Mistakes()
    root = read_yaml(decode(content, source), source, mistakes)
    document = check(root, "manifest", mistakes)
    _check_ids(root, mistakes)
    raise_together(mistakes.in_order(), "the manifest")
    return tuple(map(_plugin, document["plugins"], root.value["plugins"].value))


def _check_ids(root: Node, mistakes: Mistakes) -> None:
    """Add a mistake for each plugin that is declared twice, which the schema can't express."""
    first: dict[str, Node] = {}
    for node in root.members["plugins"].items if "plugins" in root.members else ():
        parts = [node.members[key].value for key in ("group", "name") if key in node.members]
        if len(parts) < 2 or not all(isinstance(part, str) for part in parts):
            continue
        identifier = ":".join(parts)
        other = first.setdefault(identifier, node)
        if other is not node:
            mistakes.add(
                node.place,
                f"`{shortened(identifier)}` is declared twice",
                expected="each plugin once",
                found=f"the first at {other.place}",
            )


def _plugin(plugin: dict[str, Any], node: Node) -> ManifestPlugin:
    """Return what a valid manifest declares of a plugin, at the place of `node`."""
    terms = PluginTerms(
        platforms=tuple(sorted(plugin.get("platforms", ()))),
        after=tuple(sorted(plugin.get("after", ()))),
        requires=_relations(plugin.get("requires", {})),
        conflicts=_relations(plugin.get("conflicts", {})),
        default_config_overrides=plugin.get("default_config_overrides", {}),
        env=tuple(
            EnvironmentVariable(name=name, **fields)
            for name, fields in sorted(plugin.get("env", {}).items())
        ),
        homepage=plugin.get("homepage"),
    )
    return ManifestPlugin(
        group=plugin["group"],
        entry_point=plugin["entry_point"],
        facts=PluginFacts(
            **{field: plugin[field] for field in PluginFacts._fields if field in plugin}
        ),
        terms=terms,
        place=str(node.place),
    )


def _relations(reasons: dict[str, str]) -> tuple[Relation, ...]:
    return tuple(Relation(id=other, reason=reason) for other, reason in sorted(reasons.items()))
