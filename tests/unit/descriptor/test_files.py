"""What a descriptor's path may lead to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import InputError

from .wording import told

_EMPTY = load_descriptor(None)


def _refusal(path: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_descriptor(path)
    assert caught.value.exit_code == 2
    return told(caught.value)


def test_a_missing_file() -> None:
    assert _refusal("absent/runtime.yaml") == [
        "there is no descriptor | where: absent/runtime.yaml | "
        "hint: name an existing file with `-c FILE`"
    ]


def test_a_directory(tmp_path: Path) -> None:
    assert _refusal(str(tmp_path)) == [
        f"the descriptor can't be read: not a regular file | where: {tmp_path}"
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    os.mkfifo(path)
    assert _refusal(str(path)) == [
        f"the descriptor can't be read: not a regular file | where: {path}"
    ]


def test_a_path_that_cannot_exist() -> None:
    assert _refusal("a\0b") == ["the descriptor's path can't be a path | where: 'a\\x00b'"]


@pytest.mark.parametrize("name", ["runtime.yaml", "runtime.json"])
@pytest.mark.parametrize("content", ["", "\n\n", "  \n"])
def test_an_empty_file_is_an_empty_descriptor(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert load_descriptor(str(path)) == _EMPTY


@pytest.mark.parametrize("content", ["# nothing yet\n", "---\n", "%YAML 1.2\n---\n", "{}\n"])
def test_a_yaml_file_that_says_nothing_is_an_empty_descriptor(tmp_path: Path, content: str) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text(content)
    assert load_descriptor(str(path)) == _EMPTY


def test_windows_line_ends_are_as_good(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_bytes(b"platform: rknn\r\npatches:\r\n  x: true\r\n")
    descriptor = load_descriptor(str(path))
    assert descriptor.platform == "rknn"
    assert descriptor.origins["patches.x"] == f"{path}:3:3"
