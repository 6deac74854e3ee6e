"""File, environment and `--set`: what each says, which wins, and where a value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.canonical_json import quote
from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.errors import CoralLockError
from coral_lock.targets.model import Target

from .wording import setting_mistakes, told


def _load(
    directory: Path,
    text: str,
    *settings: str,
    environment: dict[str, str] | None = None,
) -> Descriptor:
    path = directory / "runtime.yaml"
    path.write_text(text, encoding="utf-8")
    return load_descriptor(str(path), settings=settings, environment=environment)


def test_no_source_at_all_gives_the_defaults() -> None:
    descriptor = load_descriptor(None)
    assert descriptor == Descriptor(
        platform="onnx",
        discover="all",
        auto_discover_backends=True,
        auto_patch_rknn=True,
        backend_modules=(),
        extra_patches=(),
        built_in_patches={
            "buffer_sink": True,
            "camera": True,
            "metric_sink": True,
            "plugins": True,
            "sink": True,
            "stream_manager": True,
            "video_sink": True,
            "webrtc": True,
        },
        requests=(),
        services={},
        origins=descriptor.origins,
        warnings=(),
    )
    assert set(descriptor.origins.values()) == {"default"}


def test_the_file_alone(tmp_path: Path) -> None:
    descriptor = _load(
        tmp_path,
        "platform: rknn\n"
        "patches:\n"
        "  camera: false\n"
        "  night_vision:\n"
        "    optional: true\n"
        "    after: [workflows:b, patches:a]\n"
        "    distribution: Acme_Vision\n"
        "workflows: {custom_block: false}\n"
        "backends: {auto_discover: false, auto_patch_rknn: false, modules: [b.c, a], npu: true}\n"
        "plugins: {discover: listed}\n"
        "extra_patches: [y, x]\n"
        "services: {a: {b: [1]}}\n",
    )
    file = tmp_path / "runtime.yaml"
    assert descriptor.platform == "rknn"
    assert descriptor.discover == "listed"
    assert not descriptor.auto_discover_backends
    assert not descriptor.auto_patch_rknn
    assert descriptor.backend_modules == ("b.c", "a")
    assert descriptor.extra_patches == ("y", "x")
    assert descriptor.services == {"a": {"b": [1]}}
    assert not descriptor.built_in_patches["camera"]
    assert descriptor.requests == (
        PluginRequest(group="backends", name="npu", enabled=True, where=f"{file}:9:77"),
        PluginRequest(
            group="patches",
            name="night_vision",
            enabled=True,
            optional=True,
            after=("patches:a", "workflows:b"),
            distribution="acme-vision",
            where=f"{file}:4:3",
        ),
        PluginRequest(group="workflows", name="custom_block", enabled=False, where=f"{file}:8:13"),
    )
    assert {key: where for key, where in descriptor.origins.items() if where != "default"} == {
        "platform": f"{file}:1:1",
        "patches.camera": f"{file}:3:3",
        "patches.night_vision.optional": f"{file}:5:5",
        "patches.night_vision.after": f"{file}:6:5",
        "patches.night_vision.distribution": f"{file}:7:5",
        "workflows.custom_block": f"{file}:8:13",
        "backends.auto_discover": f"{file}:9:12",
        "backends.auto_patch_rknn": f"{file}:9:34",
        "backends.modules": f"{file}:9:58",
        "backends.npu": f"{file}:9:77",
        "plugins.discover": f"{file}:10:11",
        "extra_patches": f"{file}:11:1",
        "services.a.b": f"{file}:12:16",
    }
    assert descriptor.origins["patches.night_vision.enabled"] == "default"


@pytest.mark.parametrize(
    ("variable", "value", "key", "attribute", "expected"),
    [
        ("CORAL_RUNTIME_PLATFORM", "rknn", "platform", "platform", "rknn"),
        ("CORAL_RUNTIME_PLATFORM", "1.10", "platform", "platform", "1.10"),
        (
            "CORAL_AUTO_DISCOVER_BACKENDS",
            "No",
            "backends.auto_discover",
            "auto_discover_backends",
            False,
        ),
        ("CORAL_AUTO_PATCH_RKNN", "OFF", "backends.auto_patch_rknn", "auto_patch_rknn", False),
        (
            "CORAL_BACKEND_MODULES",
            " b.c, a,,",
            "backends.modules",
            "backend_entry_modules",
            ["b.c", "a"],
        ),
        ("CORAL_EXTRA_PATCHES", "y,x", "extra_patches", "extra_patches", ["y", "x"]),
        (
            "CORAL_ENABLE_STREAM_MANAGER",
            "0",
            "patches.stream_manager",
            "enable_stream_manager_patch",
            False,
        ),
        ("CORAL_ENABLE_CAMERA", "false", "patches.camera", "enable_camera_patch", False),
        ("CORAL_ENABLE_SINK", "off", "patches.sink", "enable_sink_patch", False),
        ("CORAL_ENABLE_WEBRTC", "no", "patches.webrtc", "enable_webrtc", False),
        ("CORAL_ENABLE_PLUGINS", "False", "patches.plugins", "enable_plugins", False),
        (
            "CORAL_ENABLE_BUFFER_SINK",
            "0",
            "patches.buffer_sink",
            "enable_buffer_sink_patch",
            False,
        ),
        (
            "CORAL_ENABLE_METRIC_SINK",
            "0",
            "patches.metric_sink",
            "enable_metric_sink_patch",
            False,
        ),
        ("CORAL_ENABLE_VIDEO_SINK", "0", "patches.video_sink", "enable_video_sink_patch", False),
    ],
)
def test_a_variable_reaches_the_runtimes_config(
    variable: str, value: str, key: str, attribute: str, expected: object
) -> None:
    descriptor = load_descriptor(None, environment={variable: value})
    assert descriptor.origins[key] == variable
    assert getattr(descriptor.runtime_config(), attribute) == expected


def test_an_empty_variable_counts_as_unset_and_others_are_no_concern() -> None:
    descriptor = load_descriptor(
        None,
        environment={"CORAL_RUNTIME_PLATFORM": " ", "CORAL_ENABLE_CAMERA": "", "CORAL_X": "1"},
    )
    assert descriptor == load_descriptor(None)


def test_a_misspelt_variable_is_a_warning() -> None:
    descriptor = load_descriptor(
        None, environment={"CORAL_ENABLE_CAMRA": "1", "CORAL_AUTO_DISCOVER": "0"}
    )
    assert descriptor.warnings == (
        "unknown variable `CORAL_AUTO_DISCOVER`; did you mean `CORAL_AUTO_DISCOVER_BACKENDS`?",
        "unknown variable `CORAL_ENABLE_CAMRA`; did you mean `CORAL_ENABLE_CAMERA`?",
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "CORAL_ENABLE_CAMERA",
            "maybe",
            "`CORAL_ENABLE_CAMERA` is neither true nor false | where: CORAL_ENABLE_CAMERA | "
            'expected: 1, 0, true, false, yes, no, on or off | found: "maybe"',
        ),
        (
            "CORAL_RUNTIME_PLATFORM",
            "a\nb",
            "`platform` has a wrong value | where: CORAL_RUNTIME_PLATFORM | "
            'expected: a name: printable text on one line, without `@` | found: "a\\nb"',
        ),
        (
            "CORAL_BACKEND_MODULES",
            "a,b-c",
            "`backends.modules[1]` has a wrong value | where: CORAL_BACKEND_MODULES | "
            'expected: a dotted module name, like `my_project.backends` | found: "b-c"',
        ),
    ],
)
def test_a_variable_that_cannot_be_understood(variable: str, value: str, expected: str) -> None:
    with pytest.raises(CoralLockError) as caught:
        load_descriptor(None, environment={variable: value})
    assert told(caught.value) == [expected]


def test_a_misspelt_key_of_backends_is_a_warning(tmp_path: Path) -> None:
    descriptor = _load(tmp_path, "backends: {auto_discovr: false}")
    assert descriptor.warnings == (
        f"{tmp_path / 'runtime.yaml'}:1:12: `backends.auto_discovr` is read as the switch of a "
        "backend plugin; did you mean `backends.auto_discover`?",
    )


def test_settings_win_over_the_environment_and_the_environment_over_the_file(
    tmp_path: Path,
) -> None:
    text = "platform: a\nbackends: {modules: [a]}\npatches: {camera: true, sink: true}\n"
    environment = {
        "CORAL_RUNTIME_PLATFORM": "b",
        "CORAL_BACKEND_MODULES": "b",
        "CORAL_ENABLE_CAMERA": "0",
    }
    descriptor = _load(tmp_path, text, "platform=c", "platform=d", environment=environment)
    assert descriptor.platform == "d"
    assert descriptor.backend_modules == ("b",)
    assert not descriptor.built_in_patches["camera"]
    assert descriptor.origins["platform"] == "--set platform=d"
    assert descriptor.origins["backends.modules"] == "CORAL_BACKEND_MODULES"
    assert descriptor.origins["patches.camera"] == "CORAL_ENABLE_CAMERA"
    assert descriptor.origins["patches.sink"] == f"{tmp_path / 'runtime.yaml'}:3:25"


def test_a_later_switch_changes_enabled_alone(tmp_path: Path) -> None:
    text = "patches:\n  x: {optional: true, after: [patches:y], distribution: d}\n"
    descriptor = _load(tmp_path, text, "patches.x=false")
    assert descriptor.request("patches:x") == PluginRequest(
        group="patches",
        name="x",
        enabled=False,
        optional=True,
        after=("patches:y",),
        distribution="d",
        where="--set patches.x=false",
    )
    assert descriptor.origins["patches.x.enabled"] == "--set patches.x=false"
    assert descriptor.origins["patches.x.optional"] == f"{tmp_path / 'runtime.yaml'}:2:7"


@pytest.mark.parametrize("setting", ["patches.x.optional=true", "patches.x={optional: true}"])
def test_a_later_field_leaves_enabled_as_it_was(tmp_path: Path, setting: str) -> None:
    descriptor = _load(tmp_path, "patches: {x: false}\n", setting)
    assert descriptor.request("patches:x") == PluginRequest(
        group="patches",
        name="x",
        enabled=False,
        optional=True,
        where=f"{tmp_path / 'runtime.yaml'}:1:11",
    )


def test_targets_and_the_versions_of_hosts(tmp_path: Path) -> None:
    file = tmp_path / "runtime.yaml"
    descriptor = _load(
        tmp_path,
        "targets:\n"
        '  - {name: tester, python: "3.11", platform: manylinux_2_28_x86_64}\n'
        "  - {name: jetson, python: 3.10.13, platform: manylinux_2_31_aarch64}\n"
        "host:\n"
        '  core: "0.0.4"\n'
        "  inference: 0.58.0\n",
    )
    assert descriptor.targets == (
        Target(name="jetson", python="3.10.13", platform="manylinux_2_31_aarch64"),
        Target(name="tester", python="3.11", platform="manylinux_2_28_x86_64"),
    )
    assert (descriptor.host_core, descriptor.host_inference) == ("0.0.4", "0.58.0")
    assert descriptor.warnings == ()
    assert {key: where for key, where in descriptor.origins.items() if where != "default"} == {
        "targets": f"{file}:1:1",
        "host.core": f"{file}:5:3",
        "host.inference": f"{file}:6:3",
    }


def test_later_targets_replace_all_and_a_later_host_its_own_version(tmp_path: Path) -> None:
    setting = 'targets=[{name: a, python: "3.11", platform: linux_aarch64}]'
    descriptor = _load(
        tmp_path,
        "targets: [{name: b, python: '3.10', platform: linux_x86_64}]\n"
        "host: {core: 0.0.4, inference: 0.58.0}\n",
        setting,
        "host.core=0.0.5",
    )
    assert descriptor.targets == (Target(name="a", python="3.11", platform="linux_aarch64"),)
    assert (descriptor.host_core, descriptor.host_inference) == ("0.0.5", "0.58.0")
    assert descriptor.origins["targets"] == f"--set {setting}"
    assert descriptor.origins["host.core"] == "--set host.core=0.0.5"
    assert descriptor.origins["host.inference"] == f"{tmp_path / 'runtime.yaml'}:2:21"


def test_services_are_merged_key_by_key(tmp_path: Path) -> None:
    descriptor = _load(
        tmp_path,
        "services:\n  a: {b: 1, c: [1, 2]}\n  d: 1\n  e: {f: 1}\n",
        "services.a.b=2",
        "services.a={c: [3], g: null}",
        "services.d.h=x",
        "services.e=off",
        "services.a.{=1",
    )
    assert descriptor.services == {
        "a": {"b": 2, "c": [3], "g": None, "{": 1},
        "d": {"h": "x"},
        "e": "off",
    }
    assert descriptor.origins["services.a.b"] == "--set services.a.b"
    assert descriptor.origins["services.d.h"] == "--set services.d.h"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1),
        ("1.50", 1.5),
        ("true", True),
        ("yes", "yes"),
        ("", None),
        ("null", None),
        ('"1"', "1"),
        ("'it''s'", "it's"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ("a: b", "a: b"),
        ("a #b", "a #b"),
        ("- a", "- a"),
        ("*a", "*a"),
        ("http://host:1/?a=b", "http://host:1/?a=b"),
    ],
)
def test_the_value_of_a_setting(value: str, expected: object) -> None:
    descriptor = load_descriptor(None, settings=[f"services.key={value}"])
    assert descriptor.services == {"key": expected}


def test_a_key_with_a_dot_in_it() -> None:
    setting = 'patches={"odd.name": true}'
    descriptor = load_descriptor(None, settings=[setting])
    assert descriptor.request("patches:odd.name") == PluginRequest(
        group="patches", name="odd.name", enabled=True, where=f"--set {setting}"
    )
    assert descriptor.origins['patches."odd.name"'] == f"--set {setting}"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        *(
            (
                setting,
                "not a setting: a key is names joined by dots, with `=` after it | "
                f"where: --set {key} | expected: KEY=VALUE",
            )
            for setting, key in (
                ("patches.camera", "patches.camera"),
                ("patches.=secret", "patches."),
                ("", ""),
                ("=b", ""),
            )
        ),
        (
            "patches.camera=yes",
            "`patches.camera` has a wrong value | where: --set patches.camera=yes | "
            'expected: true or false | found: "yes" | hint: write `true` instead of `yes`',
        ),
        (
            "patches.x.optionl=true",
            "unknown key `patches.x.optionl` | where: --set patches.x.optionl=true | "
            "hint: did you mean `patches.x.optional`?",
        ),
        (
            "patches=true",
            "`patches` isn't a mapping | where: --set patches=true | expected: a mapping | "
            "found: true or false",
        ),
        (
            "password=hunter2",
            "unknown key `password` | where: --set password | expected: one of platform, targets, "
            "host, patches, workflows, backends, plugins, distributions, extra_patches, program, "
            "services",
        ),
        (
            "host.core=1.0",
            "`host.core` has a wrong value | where: --set host.core=1.0 | "
            "expected: a version (PEP 440) in quotes, like '0.0.4' | found: 1.0 | "
            'hint: quote it if it is meant as text: "1.0"',
        ),
        (
            "targets=jetson",
            "`targets` has a wrong value | where: --set targets=jetson | expected: a list | "
            'found: "jetson"',
        ),
        (
            "services.password=[hunter2",
            "`services.password` can't be read: not YAML: expected ',' or ']', but got "
            "'<stream end>' | where: --set services.password",
        ),
        (
            "services.a=[!x 1]",
            "`services.a[0]` has a tag | where: --set services.a | expected: plain data | "
            "found: !x | hint: write the value itself",
        ),
        (
            "services.a=1e999",
            "`services.a` is a number out of range | where: --set services.a | "
            "expected: a number that fits into 64 bits | hint: quote it if it is text",
        ),
        (
            f"platform={'x' * 1000}",
            f"`platform` has a wrong value | where: --set platform={'x' * 191}… | "
            "expected: a name: printable text on one line, without `@` | "
            f'found: "{"x" * 60}…"',
        ),
        (
            "services.a=" + "[" * 200_000,
            "`services.a` can't be read: the document is nested too deep | "
            "where: --set services.a | expected: at most 32 levels",
        ),
        (
            "services" + ".a" * 32 + "=1",
            "the key is nested too deep | where: --set services" + ".a" * 32 + " | "
            "expected: at most 32 levels",
        ),
    ],
)
def test_a_setting_that_cannot_be_understood(setting: str, expected: str) -> None:
    assert setting_mistakes(setting) == [expected]


@pytest.mark.parametrize("version", ["0.0.4", "1!2.0rc1", "2.1+cu118"])
def test_versions_of_hosts_win_over_settings(version: str) -> None:
    settings = ("host.core='1.0'", "host.inference='2.0'")
    descriptor = load_descriptor(None, settings=settings, core_version=version)
    assert (descriptor.host_core, descriptor.host_inference) == (version, "2.0")
    assert descriptor.origins["host.core"] == f"--core-version {version}"
    assert descriptor.origins["host.inference"] == "--set host.inference='2.0'"


@pytest.mark.parametrize("version", ["banana", "", ">=1.0", "1.0 ", "0.0.4\n"])
@pytest.mark.parametrize("role", ["core", "inference"])
def test_what_is_no_version_of_a_host(role: str, version: str) -> None:
    with pytest.raises(CoralLockError) as caught:
        load_descriptor(None, **{f"{role}_version": version})  # type: ignore[arg-type]
    assert told(caught.value) == [
        f"`host.{role}` has a wrong value | where: --{role}-version {version} | "
        f"expected: a version (PEP 440) in quotes, like '0.0.4' | found: {quote(version)}"
    ]


def test_the_runtimes_config() -> None:
    config = load_descriptor(
        None,
        settings=["patches.camera=false", "patches.x=false", "workflows.y=true", "services.a=1"],
    ).runtime_config()
    assert config.platform == "onnx"
    assert config.services == {"a": 1}
    assert config.patches["x"] is False
    assert config.patches["camera"] is False
    assert config.patches["webrtc"] is True
    assert "y" not in config.patches
    assert not config.enable_camera_patch
