"""One change to a valid descriptor, and the whole message that it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import ProblemsError

from .wording import mistakes_of

VALID = """\
platform: rknn
patches:
  camera: false
  camera_stabilizer: true
  night_vision:
    enabled: true
    optional: true
    after: ["patches:camera_stabilizer"]
    distribution: acme-vision
workflows: {custom_block: true}
backends: {auto_discover: false, modules: [my_project.backends]}
plugins: {discover: all}
extra_patches: [legacy]
services: {webrtc: {stun_servers: ["stun:stun.example.org:3478"]}}
host: {core: "0.0.4", inference: 0.58.0}
targets:
  - {name: jetson, python: "3.10", platform: manylinux_2_31_aarch64}
  - {name: tester, python: "3.11", platform: manylinux_2_28_x86_64}
"""

_A_NAME = "a name: printable text on one line, without `@`"
_A_SWITCH = "true or false, or a mapping of enabled, optional, after, distribution"
_AN_ID = "a plugin id: `<group>:<name>`, the group one of backends, patches, workflows"

_A_VERSION = "a version (PEP 440) in quotes, like '0.0.4'"
_A_TARGET = "a name: lower-case letters and digits, with `.`, `_` and `-` between them"
_A_PYTHON = "a version of Python 3 in quotes, like '3.10'"
_A_TAG = "a platform tag, like `manylinux_2_28_aarch64`"

CHANGES = [
    (
        "platform: rknn",
        "plaform: rknn",
        "unknown key `plaform` | where: runtime.yaml:1:1 | hint: did you mean `platform`?",
    ),
    (
        "platform: rknn",
        "colour: red",
        "unknown key `colour` | where: runtime.yaml:1:1 | expected: one of platform, targets, "
        "host, patches, workflows, backends, plugins, distributions, extra_patches, program, "
        "services",
    ),
    (
        "platform: rknn",
        "platform: 1.10",
        f"`platform` has a wrong value | where: runtime.yaml:1:11 | expected: {_A_NAME} | "
        'found: 1.10 | hint: quote it if it is meant as text: "1.10"',
    ),
    (
        "platform: rknn",
        'platform: "a\\nb"',
        f"`platform` has a wrong value | where: runtime.yaml:1:11 | expected: {_A_NAME} | "
        'found: "a\\nb"',
    ),
    (
        "platform: rknn",
        "platform:",
        f"`platform` has a wrong value | where: runtime.yaml:1:10 | expected: {_A_NAME} | "
        "found: nothing",
    ),
    (
        "platform: rknn",
        f"platform: {'x' * 201}",
        f"`platform` has a wrong value | where: runtime.yaml:1:11 | expected: {_A_NAME} | "
        f'found: "{"x" * 60}…"',
    ),
    (
        "camera: false",
        "camera: no",
        "`patches.camera` has a wrong value | where: runtime.yaml:3:11 | "
        'expected: true or false | found: "no" | hint: write `false` instead of `no`',
    ),
    (
        "camera: false",
        'camera: "false"',
        "`patches.camera` has a wrong value | where: runtime.yaml:3:11 | "
        'expected: true or false | found: "false" | hint: write `false` without quotes',
    ),
    (
        "camera: false",
        "camera: 1",
        "`patches.camera` has a wrong value | where: runtime.yaml:3:11 | "
        "expected: true or false | found: 1 | hint: write `true` instead of `1`",
    ),
    (
        "camera: false",
        "camera: {enabled: false}",
        "`patches.camera` has a wrong value | where: runtime.yaml:3:11 | "
        "expected: true or false | found: a mapping",
    ),
    (
        "camera: false",
        "camera: false\n  camera: true",
        "`patches.camera` appears twice | where: runtime.yaml:4:3 | "
        "hint: the first one is on line 3",
    ),
    (
        "camera_stabilizer: true",
        "camera_stabilizer: on",
        "`patches.camera_stabilizer` has a wrong value | where: runtime.yaml:4:22 | "
        f'expected: {_A_SWITCH} | found: "on" | hint: write `true` instead of `on`',
    ),
    (
        "camera_stabilizer: true",
        "camera_stabilizer: [true]",
        "`patches.camera_stabilizer` has a wrong value | where: runtime.yaml:4:22 | "
        f"expected: {_A_SWITCH} | found: a list",
    ),
    (
        "camera_stabilizer: true",
        "a@b: true",
        f"invalid key `patches.a@b` | where: runtime.yaml:4:3 | expected: {_A_NAME}",
    ),
    (
        "camera_stabilizer: true",
        "1: true",
        "`patches` has a key that isn't a string | where: runtime.yaml:4:3 | expected: text | "
        'found: 1 | hint: quote it: "1"',
    ),
    (
        "camera_stabilizer: true",
        "[a]: true",
        "`patches` has a key that isn't a string | where: runtime.yaml:4:3 | expected: text | "
        "found: a list | hint: write a key as one word or quote it",
    ),
    (
        "camera_stabilizer: true",
        "<<: {x: true}",
        "`patches` merges another mapping | where: runtime.yaml:4:3 | expected: plain data | "
        "found: << | hint: write the values themselves",
    ),
    (
        "enabled: true",
        "enabeld: true",
        "unknown key `patches.night_vision.enabeld` | where: runtime.yaml:6:5 | "
        "hint: did you mean `patches.night_vision.enabled`?",
    ),
    (
        "optional: true",
        "optional: sometimes",
        "`patches.night_vision.optional` has a wrong value | where: runtime.yaml:7:15 | "
        'expected: true or false | found: "sometimes"',
    ),
    (
        'after: ["patches:camera_stabilizer"]',
        "after: camera_stabilizer",
        "`patches.night_vision.after` has a wrong value | where: runtime.yaml:8:12 | "
        'expected: a list | found: "camera_stabilizer" | '
        "hint: write it as a list: `[camera_stabilizer]`",
    ),
    (
        'after: ["patches:camera_stabilizer"]',
        "after: [camera_stabilizer]",
        "`patches.night_vision.after[0]` has a wrong value | where: runtime.yaml:8:13 | "
        f'expected: {_AN_ID} | found: "camera_stabilizer"',
    ),
    (
        'after: ["patches:camera_stabilizer"]',
        "after: [patches:a, patches:a]",
        "`patches.night_vision.after` contains a duplicate entry | where: runtime.yaml:8:24 | "
        'expected: each entry once | found: "patches:a"',
    ),
    (
        "distribution: acme-vision",
        "distribution: acme vision",
        "`patches.night_vision.distribution` has a wrong value | where: runtime.yaml:9:19 | "
        'expected: a distribution\'s name | found: "acme vision"',
    ),
    (
        "distribution: acme-vision",
        "distribution: 1.0",
        "`patches.night_vision.distribution` has a wrong value | where: runtime.yaml:9:19 | "
        "expected: a distribution's name | found: 1.0 | "
        'hint: quote it if it is meant as text: "1.0"',
    ),
    (
        "workflows: {custom_block: true}",
        "workflows:",
        "`workflows` isn't a mapping | where: runtime.yaml:10:11 | expected: a mapping | "
        "found: nothing | hint: write `workflows: {}`, or remove the key",
    ),
    (
        "workflows: {custom_block: true}",
        "workflows: [custom_block]",
        "`workflows` isn't a mapping | where: runtime.yaml:10:12 | expected: a mapping | "
        "found: a list",
    ),
    (
        "my_project.backends",
        "my-project.backends",
        "`backends.modules[0]` has a wrong value | where: runtime.yaml:11:44 | expected: "
        'a dotted module name, like `my_project.backends` | found: "my-project.backends"',
    ),
    (
        "discover: all",
        "discover: lsted",
        "`plugins.discover` has a wrong value | where: runtime.yaml:12:21 | "
        'expected: `all` or `listed` | found: "lsted" | hint: did you mean `listed`?',
    ),
    (
        "discover: all",
        "discovery: all",
        "unknown key `plugins.discovery` | where: runtime.yaml:12:11 | "
        "hint: did you mean `plugins.discover`?",
    ),
    (
        "[legacy]",
        "[legacy, 7]",
        f"`extra_patches[1]` has a wrong value | where: runtime.yaml:13:25 | expected: {_A_NAME}"
        ' | found: 7 | hint: quote it if it is meant as text: "7"',
    ),
    (
        "services: {webrtc",
        "services: {secret: !env TOKEN, webrtc",
        "`services.secret` has a tag | where: runtime.yaml:14:20 | expected: plain data | "
        "found: !env | hint: write the value itself",
    ),
    (
        "services: {webrtc",
        "services: {a: &a {}, webrtc",
        "`services.a` has an anchor | where: runtime.yaml:14:15 | expected: plain data | "
        "found: &a | hint: write the value itself",
    ),
    (
        "services: {webrtc",
        "services: {a: *a, webrtc",
        "`services.a` has an alias | where: runtime.yaml:14:15 | expected: plain data | "
        "found: *a | hint: write the value itself",
    ),
    (
        "services: {webrtc",
        "services: {a: .nan, webrtc",
        "`services.a` is a number out of range | where: runtime.yaml:14:15 | "
        "expected: a finite number | hint: quote it if it is text",
    ),
    (
        "services: {webrtc",
        "services: {a: 1e999, webrtc",
        "`services.a` is a number out of range | where: runtime.yaml:14:15 | "
        "expected: a number that fits into 64 bits | hint: quote it if it is text",
    ),
    (
        "services: {webrtc",
        f"services: {{a: {'9' * 5000}, webrtc",
        "`services.a` is a number out of range | where: runtime.yaml:14:15 | "
        "expected: an integer of at most 64 bits | hint: quote it if it is text",
    ),
    (
        "services: {webrtc",
        'services: {a: "\\ud83d", webrtc',
        "`services.a` contains a lone surrogate | where: runtime.yaml:14:15 | "
        "expected: whole characters",
    ),
    (
        "services: {webrtc",
        'services: {a: "\\U00110000", webrtc',
        "not YAML: a number is out of range | where: runtime.yaml:14:12",
    ),
    (
        "services: {webrtc",
        "services: hunter2\n#",
        "`services` isn't a mapping | where: runtime.yaml:14:11 | expected: a mapping | "
        "found: text",
    ),
    (
        "services: {webrtc",
        "services: {webrtc: {}, webrtc",
        "`services.webrtc` appears twice | where: runtime.yaml:14:24 | "
        "hint: the first one is on line 14",
    ),
    (
        'core: "0.0.4"',
        "core: 1.10",
        f"`host.core` has a wrong value | where: runtime.yaml:15:14 | expected: {_A_VERSION} | "
        'found: 1.10 | hint: quote it if it is meant as text: "1.10"',
    ),
    (
        "0.58.0",
        "0.58.x",
        "`host.inference` has a wrong value | where: runtime.yaml:15:34 | "
        f'expected: {_A_VERSION} | found: "0.58.x"',
    ),
    (
        "0.58.0",
        "[0.58.0]",
        "`host.inference` has a wrong value | where: runtime.yaml:15:34 | "
        f"expected: {_A_VERSION} | found: a list",
    ),
    (
        "inference: 0",
        "infrence: 0",
        "unknown key `host.infrence` | where: runtime.yaml:15:23 | "
        "hint: did you mean `host.inference`?",
    ),
    (
        'host: {core: "0.0.4", inference: 0.58.0}',
        "host: 0.0.4",
        "`host` isn't a mapping | where: runtime.yaml:15:7 | expected: a mapping | found: text",
    ),
    (
        VALID[VALID.index("targets:") :],
        "targets: {}\n",
        "`targets` has a wrong value | where: runtime.yaml:16:10 | expected: a list | "
        "found: a mapping",
    ),
    (
        "targets:\n",
        "targets:\n  - jetson\n",
        "`targets[0]` isn't a mapping | where: runtime.yaml:17:5 | expected: a mapping | "
        "found: text",
    ),
    (
        "targets:\n",
        "targets:\n  -\n",
        "`targets[0]` isn't a mapping | where: runtime.yaml:17:4 | expected: a mapping | "
        "found: nothing",
    ),
    (
        "name: jetson, ",
        "",
        f"`targets[0].name` is missing | where: runtime.yaml:17:5 | expected: {_A_TARGET}",
    ),
    (
        ", platform: manylinux_2_28_x86_64}",
        "}",
        f"`targets[1].platform` is missing | where: runtime.yaml:18:5 | expected: {_A_TAG}",
    ),
    (
        "name: jetson",
        "name: Jetson",
        "`targets[0].name` has a wrong value | where: runtime.yaml:17:12 | "
        f'expected: {_A_TARGET} | found: "Jetson"',
    ),
    (
        "name: tester",
        "name: jetson",
        "`targets.jetson` appears twice | where: runtime.yaml:18:6 | "
        "hint: the first one is on line 17",
    ),
    (
        'python: "3.10"',
        "python: 3.10",
        f"`targets[0].python` has a wrong value | where: runtime.yaml:17:28 | "
        f'expected: {_A_PYTHON} | found: 3.10 | hint: quote it if it is meant as text: "3.10"',
    ),
    (
        'python: "3.10"',
        'python: "2.7"',
        "`targets[0].python` has a wrong value | where: runtime.yaml:17:28 | "
        f'expected: {_A_PYTHON} | found: "2.7"',
    ),
    (
        'python: "3.10"',
        f'python: "3.{"9" * 5000}"',
        "`targets[0].python` has a wrong value | where: runtime.yaml:17:28 | "
        f'expected: {_A_PYTHON} | found: "3.{"9" * 58}…"',
    ),
    (
        "python: ",
        "pyhton: '3.10', python: ",
        "unknown key `targets[0].pyhton` | where: runtime.yaml:17:20 | "
        "hint: did you mean `targets[0].python`?",
    ),
    (
        "manylinux_2_31_aarch64",
        "linux/arm64",
        "`targets[0].platform` has a wrong value | where: runtime.yaml:17:46 | "
        f'expected: {_A_TAG} | found: "linux/arm64" | hint: did you mean '
        "`manylinux_2_28_aarch64`?",
    ),
    (
        "manylinux_2_31_aarch64",
        "any",
        "`targets[0].platform` has a wrong value | where: runtime.yaml:17:46 | "
        f'expected: {_A_TAG} | found: "any"',
    ),
    (
        "manylinux_2_31_aarch64",
        "386",
        "`targets[0].platform` has a wrong value | where: runtime.yaml:17:46 | "
        f'expected: {_A_TAG} | found: 386 | hint: quote it if it is meant as text: "386"',
    ),
    (
        "  camera: false",
        "\tcamera: false",
        "not YAML: found character '\\t' that cannot start any token | where: runtime.yaml:3:1 | "
        "hint: YAML is indented with spaces: replace the tab",
    ),
    (
        "plugins: {discover: all}",
        "plugins: {discover: all",
        "not YAML: expected ',' or '}', but got ':' | where: runtime.yaml:13:14 | "
        "hint: look at line 12 too: while parsing a flow mapping",
    ),
    (
        "workflows: {",
        "---\nworkflows: {",
        "the file contains several documents | where: runtime.yaml:10:1 | "
        "expected: one document | hint: remove the `---` and what follows it",
    ),
    (
        "platform: rknn\n",
        "<<<<<<< HEAD\nplatform: rknn\n=======\nplatform: onnx\n>>>>>>> other\n",
        "the file contains merge conflict markers | where: runtime.yaml:1:1 | "
        "found: <<<<<<< HEAD | hint: resolve the conflict in the file first",
    ),
    (
        "platform: rknn",
        "platform: rknn # \u2028plugins: {}",
        "the file contains an invisible character | where: runtime.yaml:1:18 | "
        "expected: printable text | found: U+2028 | "
        "hint: remove it, or write it as an escape in double quotes",
    ),
    (
        "platform: rknn\n",
        "platform: rknn # \rplugins: {}\n",
        "the file contains an invisible character | where: runtime.yaml:1:18 | "
        "expected: printable text | found: U+000D | "
        "hint: remove it, or write it as an escape in double quotes",
    ),
    (
        "rknn",
        "rk\x00nn",
        "the file contains an invisible character | where: runtime.yaml:1:13 | "
        "expected: printable text | found: U+0000 | "
        "hint: remove it, or write it as an escape in double quotes",
    ),
    (
        VALID,
        "- platform: rknn\n",
        "the document isn't a mapping | where: runtime.yaml:1:1 | expected: a mapping | "
        "found: a list",
    ),
    (
        VALID,
        "rknn\n",
        "the document isn't a mapping | where: runtime.yaml:1:1 | expected: a mapping | "
        "found: text",
    ),
    (
        VALID,
        "[" * 200_000,
        "the document is nested too deep | where: runtime.yaml:1:33 | expected: at most 32 levels",
    ),
    (
        VALID,
        "services:\n" + "".join(f"  k{number}: 0\n" for number in range(10_000)),
        "the document is too large | where: runtime.yaml:10000:10 | "
        "expected: at most 20000 keys and values",
    ),
    (
        VALID,
        "#" * (1024 * 1024 + 1),
        "the descriptor can't be read: 1048577 bytes, more than the 1048576 allowed | "
        "where: runtime.yaml",
    ),
]


def test_the_document_that_the_changes_start_from_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text(VALID)
    assert load_descriptor(str(path)).warnings == ()


@pytest.mark.parametrize(("old", "new", "expected"), CHANGES)
def test_a_mistake_is_told_in_full(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in VALID
    assert mistakes_of(VALID.replace(old, new, 1), tmp_path) == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"\xef\xbb\xbf{}",
            "the file starts with a byte order mark | where: runtime.yaml:1:1 | "
            "expected: UTF-8 without one | hint: save the file as UTF-8 without a byte order mark",
        ),
        (
            "services: {}\n# é: ".encode() + b"\xe9",
            "the file isn't UTF-8 | where: runtime.yaml:2:6 | expected: UTF-8 | "
            "found: byte 0xe9 | hint: save the file as UTF-8 without a byte order mark",
        ),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes, expected: str) -> None:
    assert mistakes_of(content, tmp_path) == [expected]


def test_all_mistakes_come_at_once_in_the_order_of_the_file_the_environment_and_the_settings(
    tmp_path: Path,
) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("patches: {camera: 0}\nplaform: x\nservices: {a: *b}\n")
    with pytest.raises(ProblemsError) as caught:
        load_descriptor(
            str(path),
            environment={"CORAL_ENABLE_SINK": "maybe", "CORAL_AUTO_PATCH_RKNN": "2"},
            settings=["platform=1", "nothing"],
        )
    assert caught.value.message == "the descriptor has 7 mistakes"
    assert [problem.where for problem in caught.value.problems] == [
        f"{path}:1:19",
        f"{path}:2:1",
        f"{path}:3:15",
        "CORAL_AUTO_PATCH_RKNN",
        "CORAL_ENABLE_SINK",
        "--set platform=1",
        "--set nothing",
    ]


def test_a_file_that_cannot_be_read_does_not_hide_the_other_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_descriptor(str(tmp_path / "absent.yaml"), settings=["platform=1"])
    assert [problem.message for problem in caught.value.problems] == [
        "there is no descriptor",
        "`platform` has a wrong value",
    ]


def test_a_message_stays_readable_whatever_the_file_holds(tmp_path: Path) -> None:
    [mistake] = mistakes_of(f'{{"{"k" * 1_000_000}": 1}}', tmp_path, "runtime.json")
    assert len(mistake) < 600


def test_the_number_of_mistakes_told_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("".join(f"key{number}: 0\n" for number in range(51)))
    with pytest.raises(ProblemsError) as caught:
        load_descriptor(str(path))
    assert caught.value.message == "the descriptor has 51 mistakes, the first 50 of which are these"
    assert len(caught.value.problems) == 50
