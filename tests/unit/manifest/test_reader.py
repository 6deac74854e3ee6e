"""The strict reader of manifests: what it takes, and every mistake with its place."""

from __future__ import annotations

import pytest

from coral_lock.errors import CoralLockError
from coral_lock.manifest import ManifestPlugin, manifest_paths, read_manifest
from coral_lock.plugin.facts import (
    MAX_MANIFEST_BYTES,
    EnvironmentVariable,
    PluginFacts,
    PluginTerms,
    Relation,
)
from tests.unit.descriptor.wording import told

WHOLE = """\
# Its JSON Schema: coral-runtime manifest schema
manifest_version: 1
plugins:
  - group: patches
    name: night_vision
    entry_point: acme.coral_plugins:register
    description: See in the dark
    min_core_version: "0.0.4"
    min_inference_version: "0.9.0"
    platforms: [rknn, onnx]
    after: ["patches:camera_stabilizer"]
    requires: {"backends:npu": it computes there}
    conflicts:
      patches:daylight: both set the exposure
    default_config_overrides:
      patches: {webrtc: false}
      services: {night: {gain: 1.5, modes: [low, high]}}
    env:
      ACME_TOKEN: {required: true, description: The key of the camera}
      ACME_DEBUG: {}
    homepage: https://example.org/night
"""


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(CoralLockError) as caught:
        read_manifest(text.encode(), "m.yaml")
    assert caught.value.exit_code == 2
    return told(caught.value)


def test_every_field_is_read() -> None:
    [plugin] = read_manifest(WHOLE.encode(), "m.yaml")
    assert plugin == ManifestPlugin(
        group="patches",
        entry_point="acme.coral_plugins:register",
        facts=PluginFacts(
            name="night_vision",
            description="See in the dark",
            min_core_version="0.0.4",
            min_inference_version="0.9.0",
        ),
        terms=PluginTerms(
            platforms=("onnx", "rknn"),
            after=("patches:camera_stabilizer",),
            requires=(Relation(id="backends:npu", reason="it computes there"),),
            conflicts=(Relation(id="patches:daylight", reason="both set the exposure"),),
            default_config_overrides={
                "patches": {"webrtc": False},
                "services": {"night": {"gain": 1.5, "modes": ["low", "high"]}},
            },
            env=(
                EnvironmentVariable(name="ACME_DEBUG"),
                EnvironmentVariable(
                    name="ACME_TOKEN", required=True, description="The key of the camera"
                ),
            ),
            homepage="https://example.org/night",
        ),
        place="m.yaml:4:5",
    )
    assert plugin.id == "patches:night_vision"


# Each row changes one thing in the whole manifest.
MISTAKES = [
    (
        "manifest_version: 1",
        "manifest_version: 2",
        "`manifest_version` has a wrong value | where: m.yaml:2:19 | expected: 1 | found: 2 | "
        "hint: upgrade coral-lock to read a later version",
    ),
    (
        "manifest_version: 1",
        "manifest_version: true",
        "`manifest_version` has a wrong value | where: m.yaml:2:19 | expected: 1 | found: true | "
        "hint: upgrade coral-lock to read a later version",
    ),
    ("manifest_version: 1\n", "", "`manifest_version` is missing | where: m.yaml:2:1 | "
     "expected: 1"),
    (
        "manifest_version: 1",
        "manifest_version: 1\nplugin: []",
        "unknown key `plugin` | where: m.yaml:3:1 | hint: did you mean `plugins`?",
    ),
    (
        "group: patches",
        "group: patch",
        "`plugins[0].group` has a wrong value | where: m.yaml:4:12 | expected: `backends` or "
        '`patches` or `workflows` | found: "patch" | hint: did you mean `patches`?',
    ),
    ("    name: night_vision\n", "", "`plugins[0].name` is missing | where: m.yaml:4:5 | "
     "expected: a name: printable text on one line, without `@`"),
    (
        "name: night_vision",
        "name: a@b",
        "`plugins[0].name` has a wrong value | where: m.yaml:5:11 | expected: a name: printable "
        'text on one line, without `@` | found: "a@b"',
    ),
    (
        "acme.coral_plugins:register",
        "acme.coral_plugins",
        "`plugins[0].entry_point` has a wrong value | where: m.yaml:6:18 | expected: "
        '`module:attribute` | found: "acme.coral_plugins"',
    ),
    (
        "description: See in the dark",
        r'description: "one\ntwo"',
        "`plugins[0].description` has a wrong value | where: m.yaml:7:18 | expected: one line of "
        'text | found: "one\\ntwo"',
    ),
    (
        "See in the dark",
        "x" * 1001,
        "`plugins[0].description` has a wrong value | where: m.yaml:7:18 | "
        f'expected: at most 1000 characters | found: "{"x" * 60}…"',
    ),
    (
        '"0.0.4"',
        "1.10",
        "`plugins[0].min_core_version` has a wrong value | where: m.yaml:8:23 | expected: a "
        "version (PEP 440) in quotes, like '0.0.4' | found: 1.10 | hint: quote it if it is meant "
        'as text: "1.10"',
    ),
    (
        '"0.0.4"',
        '"four"',
        "`plugins[0].min_core_version` has a wrong value | where: m.yaml:8:23 | expected: a "
        "version (PEP 440) in quotes, like '0.0.4' | found: \"four\"",
    ),
    (
        '"0.0.4"',
        f'"{"9" * 5000}"',
        "`plugins[0].min_core_version` has a wrong value | where: m.yaml:8:23 | expected: a "
        f"version (PEP 440) in quotes, like '0.0.4' | found: \"{'9' * 60}…\"",
    ),
    (
        "[rknn, onnx]",
        "rknn",
        "`plugins[0].platforms` has a wrong value | where: m.yaml:10:16 | expected: a list | "
        'found: "rknn" | hint: write it as a list: `[rknn]`',
    ),
    (
        "patches:camera_stabilizer",
        "camera_stabilizer",
        "`plugins[0].after[0]` has a wrong value | where: m.yaml:11:13 | expected: a plugin id: "
        "`<group>:<name>`, the group one of backends, patches, workflows | found: "
        '"camera_stabilizer"',
    ),
    (
        '"backends:npu"',
        "npu",
        "invalid key `plugins[0].requires.npu` | where: m.yaml:12:16 | expected: a "
        "plugin id: `<group>:<name>`, the group one of backends, patches, workflows",
    ),
    (
        "both set the exposure",
        '" "',
        '`plugins[0].conflicts.patches:daylight` has a wrong value | where: m.yaml:14:25 | '
        'expected: the reason, one line of text | found: " "',
    ),
    (
        "webrtc: false",
        "webrtx: false",
        "unknown key `plugins[0].default_config_overrides.patches.webrtx` | where: m.yaml:16:17 | "
        "hint: did you mean `plugins[0].default_config_overrides.patches.webrtc`?",
    ),
    (
        "ACME_DEBUG: {}",
        "ACME-DEBUG: {}",
        "invalid key `plugins[0].env.ACME-DEBUG` | where: "
        "m.yaml:20:7 | expected: letters, digits and underscores, like `ACME_TOKEN`",
    ),
    (
        "required: true",
        "required: yes",
        "`plugins[0].env.ACME_TOKEN.required` has a wrong value | where: m.yaml:19:30 | "
        'expected: true or false | found: "yes" | hint: write `true` instead of `yes`',
    ),
    (
        "https://example.org/night",
        "example.org",
        "`plugins[0].homepage` has a wrong value | where: m.yaml:21:15 | expected: an http(s) "
        'address | found: "example.org"',
    ),
    (
        "    homepage:",
        "    home_page:",
        "unknown key `plugins[0].home_page` | where: m.yaml:21:5 | hint: did you mean "
        "`plugins[0].homepage`?",
    ),
    (
        "    homepage: https://example.org/night\n",
        "  - {group: patches, name: night_vision, entry_point: 'a:b'}\n",
        "`patches:night_vision` is declared twice | where: m.yaml:21:5 | expected: each plugin "
        "once | found: the first at m.yaml:4:5",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[row[1][:30] for row in MISTAKES])
def test_a_mistake_is_told_with_its_place(old: str, new: str, message: str) -> None:
    assert old in WHOLE
    assert mistakes_of(WHOLE.replace(old, new, 1)) == [message]


def test_mistakes_are_told_together_by_their_place() -> None:
    text = WHOLE.replace("group: patches", "group: patch").replace("night_vision", "a@b")
    assert [line.split(" | ")[1] for line in mistakes_of(text)] == [
        "where: m.yaml:4:12",
        "where: m.yaml:5:11",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`manifest_version` is missing | where: m.yaml:1:1 | expected: 1"),
        ("[]", "the document isn't a mapping | where: m.yaml:1:1 | expected: a mapping | "
         "found: a list"),
        ("manifest_version: 1\nplugins: &a []", "`plugins` has an anchor | where: m.yaml:2:10 | "
         "expected: plain data | found: &a | hint: write the value itself"),
        ("manifest_version: 1\nplugins: {}", "`plugins` has a wrong value | where: m.yaml:2:10 | "
         "expected: a list | found: a mapping"),
        ("\ufeffplugins: []", "the file starts with a byte order mark | where: m.yaml:1:1 | "
         "expected: UTF-8 without one | hint: save the file as UTF-8 without a byte order mark"),
        ("[" * 1000, "the document is nested too deep | where: m.yaml:1:33 | expected: at most "
         "32 levels"),
        ("x" * (MAX_MANIFEST_BYTES + 1), "the manifest is larger than 262144 bytes | where: "
         "m.yaml | found: 262145 bytes"),
    ],
    ids=["empty", "list", "anchor", "mapping", "mark", "deep", "large"],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(text: str, message: str) -> None:
    assert mistakes_of(text)[0] == message


def test_where_a_manifest_can_lie() -> None:
    assert manifest_paths("acme.cameras.plugins") == (
        "acme/coral_plugin.yaml",
        "acme/cameras/coral_plugin.yaml",
        "acme/cameras/plugins/coral_plugin.yaml",
    )
