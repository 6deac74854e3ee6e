"""`coral_config` builds what a plugin is handed."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.errors import CoralLockError
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.testing.fixtures import ConfigBuilder


def test_without_arguments_it_is_the_default(coral_config: ConfigBuilder) -> None:
    assert vars(coral_config()) == vars(RuntimeConfig())


def test_arguments(coral_config: ConfigBuilder) -> None:
    config = coral_config(
        platform="rknn", services={"acme": {"level": 3}}, patches={"camera": False, "glow": True}
    )
    assert config.platform == "rknn"
    assert config.services == {"acme": {"level": 3}}
    assert config.patches == {"camera": False, "glow": True}
    assert not config.enable_camera_patch
    assert config.enable_webrtc


def test_arguments_win_over_a_descriptor(coral_config: ConfigBuilder, tmp_path: Path) -> None:
    descriptor = tmp_path / "runtime.yaml"
    descriptor.write_text(
        "platform: rknn\n"
        "patches: {webrtc: false, glow: true}\n"
        "services: {acme: {level: 3, mode: fast}}\n",
        encoding="utf-8",
    )
    config = coral_config(descriptor, services={"acme": {"level": 4}}, patches={"glow": False})
    assert config.platform == "rknn"
    assert config.services == {"acme": {"level": 4, "mode": "fast"}}
    assert config.patches == {"webrtc": False, "glow": False}
    assert not config.enable_webrtc
    assert coral_config(descriptor, platform="onnx").platform == "onnx"


def test_a_descriptor_that_can_t_be_used(coral_config: ConfigBuilder, tmp_path: Path) -> None:
    with pytest.raises(CoralLockError, match="there is no descriptor"):
        coral_config(tmp_path / "none.yaml")
