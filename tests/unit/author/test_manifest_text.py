"""Editing manifests: only what changed is written anew, in the author's own style."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.author.manifest_text import (
    DERIVED_KEYS,
    ManifestChanges,
    edited_manifest,
    manifest_document,
    scalar,
    written_fields,
    yaml_text,
)
from coral_lock.manifest import read_manifest
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

FIELDS = {"group": "patches", "name": "new", "entry_point": "acme.plugins:new"}


def with_changes(text: str, changes: ManifestChanges) -> str:
    return edited_manifest(text, changes)


def edited(text: str, **changes: Any) -> str:
    new = with_changes(text, ManifestChanges(**changes))
    read_manifest(new.encode(), "m.yaml")
    return new


def with_replaced(*pairs: tuple[str, str]) -> str:
    text = BY_HAND
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_a_value_is_replaced_in_its_own_quotes() -> None:
    fields = {
        "name": "still's",
        "entry_point": "acme.new:register",
        "description": "Now: one line",
        "min_core_version": "0.0.5",
    }
    assert edited(BY_HAND, fields={0: fields}) == with_replaced(
        ("'stabilizer'", "'still''s'"),
        ('"acme.plugins:register"', '"acme.new:register"'),
        (">-\n    Keep the\n    picture still\n", "'Now: one line'\n"),
        ("'0.0.4'", "'0.0.5'"),
    )


def test_fields_come_behind_those_they_follow() -> None:
    fields = {"description": "Count", "min_inference_version": "0.9.0"}
    assert edited(BY_HAND, fields={1: fields}) == with_replaced(
        ('"0.0.3"\n', '"0.0.3"\n  min_inference_version: "0.9.0"\n'),
        ("acme.plugins:count\n", "acme.plugins:count\n  description: Count\n"),
    )


def test_fields_go_with_their_line() -> None:
    gone = {"min_core_version": None, "description": None}
    assert edited(BY_HAND, fields={0: gone}) == with_replaced(
        ("  description: >-\n    Keep the\n    picture still\n", ""),
        ("  min_core_version: '0.0.4'\n", ""),
    )
    first = (
        "manifest_version: 1\nplugins:\n- description: x  # y\n  group: patches\n"
        "  name: n\n  entry_point: a:b\n"
    )
    assert edited(first, fields={0: {"description": None}}) == (
        "manifest_version: 1\nplugins:\n- group: patches\n  name: n\n  entry_point: a:b\n"
    )


def test_a_plugin_goes_with_its_comments() -> None:
    first, last, end = (BY_HAND.index(f"# {word}") for word in ("What s", "What c", "The end"))
    assert edited(BY_HAND, removed=frozenset({0})) == BY_HAND[:first] + BY_HAND[last:]
    assert edited(BY_HAND, removed=frozenset({1})) == BY_HAND[: last - 1] + "\n" + BY_HAND[end:]


def test_a_plugin_comes_last_in_the_style_of_the_others() -> None:
    assert edited(BY_HAND, added=(FIELDS,)) == with_replaced(
        (
            "acme.plugins:count\n",
            "acme.plugins:count\n\n- group: patches\n  name: new\n"
            "  entry_point: acme.plugins:new\n",
        )
    )
    wide = "manifest_version: 1\nplugins:\n    -   {group: patches, name: n, entry_point: 'a:b'}"
    assert edited(wide, added=(FIELDS,)) == (
        wide + "\n    - group: patches\n      name: new\n      entry_point: acme.plugins:new\n"
    )


def test_all_plugins_can_be_replaced() -> None:
    text = with_changes(BY_HAND, ManifestChanges(removed=frozenset({0, 1}), added=(FIELDS,)))
    assert text == (
        "# Written by hand.\nmanifest_version: 1   # the only one there is\n\nplugins:\n"
        "- group: patches\n  name: new\n  entry_point: acme.plugins:new\n\n# The end.\n"
    )


FLOW = (
    '{"manifest_version": 1, "plugins": [{"group": "patches", "name": "a",\n '
    '"entry_point": "a:b"}]}'
)


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        (
            FLOW,
            {"fields": {0: {"name": "b", "description": "x"}}},
            '{"manifest_version": 1, "plugins": [{"group": "patches", "name": "b", '
            '"entry_point": "a:b", "description": "x"}]}\n',
        ),
        (
            FLOW,
            {"removed": frozenset({0}), "added": (FIELDS,)},
            '{"manifest_version": 1, "plugins": [{"group": "patches", "name": "new", '
            '"entry_point": "acme.plugins:new"}]}\n',
        ),
        (
            "manifest_version: 1\nplugins: []  # none\n",
            {"added": (FIELDS,)},
            'manifest_version: 1\nplugins: [{"group": "patches", "name": "new", '
            '"entry_point": "acme.plugins:new"}]  # none\n',
        ),
        (
            "manifest_version: 1\nplugins: [{group: patches, name: a, entry_point: 'a:b'}, # c\n"
            "  {group: patches, name: b, entry_point: 'a:b', description: d}, ]\n",
            {"removed": frozenset({0}), "fields": {1: {"description": None}}},
            "manifest_version: 1\nplugins: [{group: patches, name: b, entry_point: 'a:b'}]\n",
        ),
        (
            "manifest_version: 1\nplugins:\n- {group: patches, name: a, entry_point: 'a:b', "
            "platforms: [yes]}  # a\n- {group: patches, name: b, entry_point: 'a:b'} # b\n",
            {"fields": {0: {"description": "x", "min_core_version": "1.10"}}},
            "manifest_version: 1\nplugins:\n- {group: patches, name: a, entry_point: 'a:b', "
            'platforms: [yes], description: "x", min_core_version: "1.10"}  # a\n'
            "- {group: patches, name: b, entry_point: 'a:b'} # b\n",
        ),
    ],
    ids=["json field", "json replaced", "empty", "flow", "flow item"],
)
def test_what_is_in_brackets_is_written_as_a_whole(
    text: str, changes: dict[str, Any], expected: str
) -> None:
    assert with_changes(text, ManifestChanges(**changes)) == expected


def test_line_ends_stay() -> None:
    text = BY_HAND.replace("\n", "\r\n")
    changes = ManifestChanges(
        added=(FIELDS,), fields={0: {"min_inference_version": "1", "description": "y"}}
    )
    assert with_changes(text, changes) == with_changes(BY_HAND, changes).replace("\n", "\r\n")


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
        ("", "''"),
        ("é", "é"),
        ('"a" \\ b', "'\"a\" \\ b'"),
        ("null", "'null'"),
        ("a " * 100 + "b", "a " * 100 + "b"),
    ],
)
def test_scalars(text: str, written: str) -> None:
    assert scalar("description", text) == written
    assert scalar("min_core_version", "1.0") == '"1.0"'


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
    before = read_manifest(json.dumps(old).encode(), "old").plugins
    after = read_manifest(json.dumps(new).encode(), "new").plugins
    text = STYLES[style](manifest_document(before))
    removed = data.draw(st.sets(st.integers(0, len(before)), max_size=3)) - {len(before)}
    wanted = [written_fields(plugin) for plugin in before]
    fields = {}
    for index, plugin in enumerate(after[: len(before)]):
        if index not in removed:
            changes = written_fields(plugin)
            fields[index] = {
                key: changes.get(key)
                for key in DERIVED_KEYS
                if changes.get(key) != wanted[index].get(key)
            }
            wanted[index] = changes
    added = [{"group": "patches", "name": f"added {number}", "entry_point": "a:b"}
             for number in range(data.draw(st.integers(0, 2)))]  # fmt: skip
    ids = [(field["group"], field["name"]) for field in wanted]
    if len(set(ids)) < len(ids):
        return
    changes_made = ManifestChanges(fields=fields, removed=frozenset(removed), added=tuple(added))
    result = edited_manifest(text, changes_made)
    if len(removed) == len(before) and not added:
        # A project without any plugin isn't compiled, so this doesn't come up.
        return
    plugins = read_manifest(result.encode(), "edited").plugins
    kept = [index for index in range(len(before)) if index not in removed]
    assert [written_fields(plugin) for plugin in plugins] == [
        *(wanted[index] for index in kept),
        *added,
    ]
    assert [plugin.terms for plugin in plugins[: len(kept)]] == [
        before[index].terms for index in kept
    ]
    assert result.count("# top") == text.count("# top")
