"""The runtime's own keys: each means one of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.descriptor.load import FLAT_KEYS, load_descriptor
from coral_lock.descriptor.model import Descriptor, to_mapping
from coral_lock.document.node import dotted

from .wording import mistakes_of

KEYS = [
    ("enable_stream_manager_patch", "patches.stream_manager"),
    ("enable_camera_patch", "patches.camera"),
    ("enable_sink_patch", "patches.sink"),
    ("enable_webrtc", "patches.webrtc"),
    ("enable_plugins", "patches.plugins"),
    ("enable_buffer_sink_patch", "patches.buffer_sink"),
    ("enable_metric_sink_patch", "patches.metric_sink"),
    ("enable_video_sink_patch", "patches.video_sink"),
    ("auto_patch_rknn", "backends.auto_patch_rknn"),
    ("auto_discover_backends", "backends.auto_discover"),
]
"""Every switch that the runtime knows, and our key for it."""


def _load(tmp_path: Path, text: str, *settings: str) -> Descriptor:
    path = tmp_path / "runtime.yaml"
    path.write_text(text)
    return load_descriptor(str(path), settings=settings)


def _document(*settings: str) -> object:
    return to_mapping(load_descriptor(None, settings=settings))


def test_every_flat_key_is_known() -> None:
    assert {key: dotted(path) for key, path in FLAT_KEYS.items()} == {
        **dict(KEYS),
        "backend_entry_modules": "backends.modules",
    }


@pytest.mark.parametrize(("flat", "own"), KEYS)
def test_a_flat_switch(tmp_path: Path, flat: str, own: str) -> None:
    section, name = own.split(".")
    descriptor = _load(tmp_path, f"{flat}: false\n")
    assert to_mapping(descriptor) == to_mapping(_load(tmp_path, f"{section}: {{{name}: false}}\n"))
    descriptor = _load(tmp_path, f"{flat}: false\n")
    assert descriptor.origins[own] == f"{tmp_path / 'runtime.yaml'}:1:1"
    assert getattr(descriptor.runtime_config(), flat) is False


def test_flat_modules(tmp_path: Path) -> None:
    descriptor = _load(tmp_path, "backend_entry_modules: [b.c, a]\nextra_patches: [x]\n")
    assert descriptor.backend_modules == ("b.c", "a")
    assert descriptor.extra_patches == ("x",)


@pytest.mark.parametrize(("flat", "own"), [*KEYS, ("backend_entry_modules", "backends.modules")])
def test_a_key_and_its_synonym_are_one_too_many(tmp_path: Path, flat: str, own: str) -> None:
    section, name = own.split(".")
    value = "[a]" if name == "modules" else "true"
    for flat_at, own_at, text in (
        ("1:1", "3:3", f"{flat}: {value}\n{section}:\n  {name}: {value}\n"),
        ("3:1", "2:3", f"{section}:\n  {name}: {value}\n{flat}: {value}\n"),
    ):
        assert mistakes_of(text, tmp_path) == [
            f"`{flat}` means the same as `{own}`, which is there too | "
            f"where: runtime.yaml:{flat_at} | found: `{own}` at runtime.yaml:{own_at} | "
            "hint: remove one of them"
        ]


def test_a_later_source_wins_as_ever(tmp_path: Path) -> None:
    text = "enable_camera_patch: false\nauto_discover_backends: false\n"
    path = tmp_path / "runtime.yaml"
    path.write_text(text)
    descriptor = load_descriptor(
        str(path),
        environment={"CORAL_AUTO_DISCOVER_BACKENDS": "y", "CORAL_ENABLE_SINK": "n"},
        settings=["patches.camera=true"],
    )
    assert descriptor.auto_discover_backends
    assert descriptor.built_in_patches["camera"]
    assert not descriptor.built_in_patches["sink"]


@pytest.mark.parametrize(
    ("setting", "own"),
    [
        *((f"{flat}=false", f"{own}=false") for flat, own in KEYS),
        ("backends.modules=a.b, c", "backends.modules=[a.b, c]"),
        ("backend_entry_modules=a,b,", "backends.modules=[a, b]"),
        ("backends.modules=", "backends.modules=[]"),
        ("extra_patches=x,y", "extra_patches=[x, y]"),
    ],
)
def test_a_setting(setting: str, own: str) -> None:
    assert _document(setting) == _document(own)
    descriptor = load_descriptor(None, settings=[setting])
    assert f"--set {setting}" in descriptor.origins.values()


@pytest.mark.parametrize("first", ["patches.camera", "enable_camera_patch"])
@pytest.mark.parametrize("second", ["patches.camera", "enable_camera_patch"])
def test_the_last_setting_wins_under_whatever_key(first: str, second: str) -> None:
    descriptor = load_descriptor(None, settings=[f"{first}=true", f"{second}=false"])
    assert not descriptor.built_in_patches["camera"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "enable_camera_patch: 0\n",
            "`enable_camera_patch` has a wrong value | where: runtime.yaml:1:22 | "
            "expected: true or false | found: 0 | hint: write `false` instead of `0`",
        ),
        (
            "enable_camera_pach: true\n",
            "unknown key `enable_camera_pach` | where: runtime.yaml:1:1 | "
            "hint: did you mean `enable_camera_patch`?",
        ),
        (
            "backend_entry_modules: a.b,c\n",
            "`backend_entry_modules` has a wrong value | where: runtime.yaml:1:24 | "
            'expected: a list | found: "a.b,c" | hint: write it as a list: `[a.b, c]`',
        ),
        (
            "patch: {camera: true}\n",
            "unknown key `patch` | where: runtime.yaml:1:1 | hint: did you mean `patches`?",
        ),
    ],
)
def test_a_mistake(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes_of(text, tmp_path) == [expected]
