"""Text → manifest, strictly: every mistake is reported with its place."""

from __future__ import annotations

from typing import Any

from coral_lock.document.node import Mistakes, Node
from coral_lock.document.reader import decode
from coral_lock.document.schema import check
from coral_lock.errors import InputError, ProblemsError
from coral_lock.manifest.model import MAX_MANIFEST_BYTES, Manifest, ManifestPlugin
from coral_lock.plugin.facts import PluginFacts
from coral_lock.plugin.terms import EnvironmentVariable, PluginTerms, Relation
from coral_lock.printable import shortened


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
    document = check(root, "manifest", mistakes)
    _check_ids(root, mistakes)
    problems = mistakes.in_order()
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemsError(f"the manifest has {len(problems)} mistakes", tuple(problems))
    return Manifest(plugins=tuple(map(_plugin, document["plugins"], root.value["plugins"].value)))


def _check_ids(root: Node, mistakes: Mistakes) -> None:
    """Add a mistake for each plugin that is declared twice, which the schema can't say."""
    plugins = root.value.get("plugins") if isinstance(root.value, dict) else None
    first: dict[tuple[Any, Any], Node] = {}
    for node in plugins.value if plugins and isinstance(plugins.value, tuple) else ():
        members = node.value if isinstance(node.value, dict) else {}
        if not {"group", "name"} <= members.keys():
            continue
        group, name = members["group"].value, members["name"].value
        if not isinstance(group, str) or not isinstance(name, str):
            continue
        other = first.setdefault((group, name), node)
        if other is not node:
            mistakes.add(
                node.place,
                f"`{shortened(f'{group}:{name}')}` is declared twice",
                expected="each plugin once",
                found=f"the first at {other.place}",
            )


def _plugin(plugin: dict[str, Any], node: Node) -> ManifestPlugin:
    """Return what a valid manifest declares of a plugin, at the place of `node`."""
    terms: dict[str, Any] = {
        "platforms": tuple(sorted(plugin.get("platforms", ()))),
        "after": tuple(sorted(plugin.get("after", ()))),
        "requires": _relations(plugin.get("requires", {})),
        "conflicts": _relations(plugin.get("conflicts", {})),
        "default_config_overrides": plugin.get("default_config_overrides", {}),
        "env": tuple(
            EnvironmentVariable(name=name, **said)
            for name, said in sorted(plugin.get("env", {}).items())
        ),
        "homepage": plugin.get("homepage"),
    }
    facts = {field: plugin[field] for field in PluginFacts._fields if field in plugin}
    return ManifestPlugin(
        group=plugin["group"],
        entry_point=plugin["entry_point"],
        facts=PluginFacts(**facts),
        terms=PluginTerms(**terms),
        place=str(node.place),
    )


def _relations(reasons: dict[str, str]) -> tuple[Relation, ...]:
    return tuple(
        Relation(id=identifier, reason=reasons[identifier]) for identifier in sorted(reasons)
    )
