"""Editing manifests: only what changed is written anew, in the author's own style."""

from __future__ import annotations

import json
from collections.abc import Callable
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.author.manifest_text import edited_manifest, manifest_document, yaml_text
from coral_lock.manifest import ManifestPlugin, read_manifest
from coral_lock.plugin.facts import PluginFacts
from tests.unit.manifest.test_laws import DOCUMENTS

BY_HAND = """\
# Written by hand.
manifest_version: 1   # the only one there is

plugins:

# What stabilizes.
- name: 'stabilizer'   # as in the code
  group:   patches
  entry_point: "acme.plugins:register"
  platforms:
    - rknn   # only there
  description: >-
    Keep the
    picture still
  # Versions:
  min_core_version: '0.0.4'

  env: {ACME: {required: true}}
  # Here ends the stabilizer.

# What counts.
- group: patches
  min_core_version: "0.0.3"
  name: counter
  entry_point: acme.plugins:count

# The end.
"""

NEW = ManifestPlugin(group="patches", entry_point="acme.plugins:new", facts=PluginFacts(name="new"))
NEW_TEXT = "- group: patches\n  name: new\n  entry_point: acme.plugins:new\n"


def plugins_in(text: str) -> list[ManifestPlugin]:
    plugins = read_manifest(text.encode(), "m.yaml")
    return [plugin.replace(place="") for plugin in plugins]


def edited(
    text: str,
    *,
    facts: dict[int, dict[str, Any]] | None = None,
    values: dict[int, str] | None = None,
    removed: tuple[int, ...] = (),
    added: tuple[ManifestPlugin, ...] = (),
) -> str:
    """Change the plugins of a manifest by their positions, and look at what it says then."""
    wanted: list[ManifestPlugin | None] = list(plugins_in(text))
    for index, plugin in enumerate(plugins_in(text)):
        wanted[index] = plugin.replace(
            facts=plugin.facts.replace(**(facts or {}).get(index, {})),
            entry_point=(values or {}).get(index, plugin.entry_point),
        )
        if index in removed:
            wanted[index] = None
    result = edited_manifest(text, wanted, added)
    assert plugins_in(result) == [*filter(None, wanted), *added]
    return result


def with_replaced(*pairs: tuple[str, str]) -> str:
    text = BY_HAND
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_a_value_is_replaced_in_its_own_quotes() -> None:
    facts = {
        "name": "still's", "description": "Now: one line", "min_core_version": "0.0.5"
    }  # fmt: skip
    assert edited(BY_HAND, facts={0: facts}, values={0: "acme.new:register"}) == with_replaced(
        ("'stabilizer'", "'still''s'"),
        ('"acme.plugins:register"', '"acme.new:register"'),
        (">-\n    Keep the\n    picture still\n", "'Now: one line'\n"),
        ("'0.0.4'", "'0.0.5'"),
    )


def test_fields_come_behind_those_they_follow() -> None:
    facts = {"description": "Count", "min_inference_version": "0.9.0"}
    assert edited(BY_HAND, facts={1: facts}) == with_replaced(
        ('"0.0.3"\n', '"0.0.3"\n  min_inference_version: "0.9.0"\n'),
        ("acme.plugins:count\n", "acme.plugins:count\n  description: Count\n"),
    )


def test_fields_go_with_their_line() -> None:
    gone = {"min_core_version": None, "description": ""}
    assert edited(BY_HAND, facts={0: gone}) == with_replaced(
        ("  description: >-\n    Keep the\n    picture still\n", ""),
        ("  min_core_version: '0.0.4'\n", ""),
    )


def test_a_plugin_goes_with_its_comments() -> None:
    first, last, end = (BY_HAND.index(f"# {word}") for word in ("What s", "What c", "The end"))
    assert edited(BY_HAND, removed=(0,)) == BY_HAND[:first] + BY_HAND[last:]
    assert edited(BY_HAND, removed=(1,)) == BY_HAND[: last - 1] + "\n" + BY_HAND[end:]


def test_a_plugin_comes_last_in_the_style_of_the_others() -> None:
    assert edited(BY_HAND, added=(NEW,)) == with_replaced(
        ("acme.plugins:count\n", f"acme.plugins:count\n\n{NEW_TEXT}")
    )
    wide = "manifest_version: 1\nplugins:\n    -   {group: patches, name: n, entry_point: 'a:b'}"
    new = indent(NEW_TEXT, "    ")
    assert edited(wide, added=(NEW,)) == f"{wide}\n{new}"


def test_all_plugins_can_be_replaced() -> None:
    assert edited(BY_HAND, removed=(0, 1), added=(NEW,)) == (
        "# Written by hand.\nmanifest_version: 1   # the only one there is\n\nplugins:\n\n"
        f"{NEW_TEXT}\n# The end.\n"
    )


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        (
            '{"manifest_version": 1, "plugins": [{"group": "patches", "name": "a",\n '
            '"entry_point": "a:b", "platforms": ["x"]}]}',
            {"facts": {0: {"name": "b", "description": "x", "min_core_version": "1.10"}}},
            "# Its JSON Schema: coral-runtime manifest schema\nmanifest_version: 1\nplugins:\n"
            "  - group: patches\n    name: b\n    entry_point: a:b\n    description: x\n"
            '    min_core_version: "1.10"\n    platforms:\n      - x\n',
        ),
        (
            "manifest_version: 1\nplugins: []  # none\n",
            {"added": (NEW,)},
            "# Its JSON Schema: coral-runtime manifest schema\nmanifest_version: 1\nplugins:\n"
            + indent(NEW_TEXT, "  "),
        ),
        (
            "manifest_version: 1\nplugins:\n- {group: patches, name: a, entry_point: 'a:b', "
            "platforms: [yes]}  # a\n- {group: patches, name: b, entry_point: 'a:b'} # b\n",
            {"facts": {0: {"description": "x"}}},
            "manifest_version: 1\nplugins:\n- group: patches\n  name: a\n  entry_point: a:b\n"
            "  description: x\n  platforms:\n    - 'yes'  # a\n"
            "- {group: patches, name: b, entry_point: 'a:b'} # b\n",
        ),
    ],
    ids=["json", "empty", "flow item"],
)
def test_what_is_in_brackets_is_written_in_block_style(
    text: str, changes: dict[str, Any], expected: str
) -> None:
    assert edited(text, **changes) == expected


def test_line_ends_stay() -> None:
    changed = {0: {"min_inference_version": "1", "description": "y"}}
    text = edited(BY_HAND, facts=changed, added=(NEW,)).replace("\n", "\r\n")
    assert edited(BY_HAND.replace("\n", "\r\n"), facts=changed, added=(NEW,)) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Improve camera stream stability", "Improve camera stream stability"),
        ("a.b:c", "a.b:c"),
        ("yes", "'yes'"),
        ("1.10", "'1.10'"),
        ("a: b", "'a: b'"),
        ("a #b", "'a #b'"),
        ("a  b", "a  b"),
        ("a:", "'a:'"),
        ("é", "é"),
        ('"a" \\ b', "'\"a\" \\ b'"),
        ("null", "'null'"),
        ("a " * 100 + "b", "a " * 100 + "b"),
    ],
)
def test_texts_are_quoted_where_they_need_it(text: str, written: str) -> None:
    changed = edited(BY_HAND, facts={1: {"description": text}})
    assert changed == edited(BY_HAND, facts={1: {"description": "TEXT"}}).replace("TEXT", written)


def _flow_items(document: Any) -> str:
    items = "".join(f"  - {json.dumps(plugin)}\n" for plugin in document["plugins"])
    return f"manifest_version: 1\nplugins:\n{items}" if items else json.dumps(document)


def _commented(document: Any) -> str:
    lines = yaml_text(document).splitlines()
    return "# top\n" + "".join(
        f"{line}  # {number}\n" + "   # below\n\n" * (number % 3 == 0)
        for number, line in enumerate(lines)
    )


STYLES: dict[str, Callable[[Any], str]] = {
    "block": yaml_text,
    "json": lambda document: json.dumps(document, indent=1),
    "flow": _flow_items,
    "comments": _commented,
    "open": lambda document: yaml_text(document).rstrip("\n"),
}


@pytest.mark.parametrize("style", STYLES)
@given(old=DOCUMENTS, new=DOCUMENTS, data=st.data())
def test_an_edited_manifest_says_what_it_is_to_say(
    style: str, old: Any, new: Any, data: st.DataObject
) -> None:
    before, after = plugins_in(json.dumps(old)), plugins_in(json.dumps(new))
    text = STYLES[style](manifest_document(before))
    added = [NEW.replace(facts=PluginFacts(name=f"added {number}"))
             for number in range(data.draw(st.integers(0, 2)))]  # fmt: skip
    removed = data.draw(st.sets(st.integers(0, len(before)), max_size=3))
    wanted = [
        None if index in removed
        else after[index].replace(terms=plugin.terms) if index < len(after)
        else plugin
        for index, plugin in enumerate(before)
    ]  # fmt: skip
    kept = [*filter(None, wanted)]
    ids = [plugin.id for plugin in kept]
    if len(set(ids)) < len(ids) or not (kept or added):
        # A plugin is declared once, and a project without any plugin isn't compiled.
        return
    result = edited_manifest(text, wanted, added)
    assert plugins_in(result) == [*kept, *added]
    if style in ("block", "comments", "open") and before:
        assert result.count("# top") == text.count("# top")
