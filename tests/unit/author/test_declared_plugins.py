"""The plugins that a wheel declares, read for `manifest show`; it may be hostile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.author.manifest_check import declared_plugins
from coral_lock.author.subject import NoPluginError
from coral_lock.errors import CoralLockError
from coral_lock.wheels.zip_file import HINT
from tests.support.hostile_wheels import (
    DATA,
    INFO,
    NAME,
    SOUND,
    sound_members,
    text,
    write_wheel,
    zip_bytes,
)
from tests.support.refusals import is_answered
from tests.unit.descriptor.wording import told

MANIFEST = "manifest_version: 1\nplugins: [{group: patches, name: a, entry_point: 'acme:a'}]\n"
PLACE = "acme/coral_plugin.yaml"
ENTRY_POINTS = {f"{INFO}/entry_points.txt": "[coral_inference.patches]\na = acme:a\n"}
DECLARED: Mapping[str, str] = {**SOUND, **ENTRY_POINTS, PLACE: MANIFEST}


def write(directory: Path, files: Mapping[str, str]) -> str:
    return write_wheel(directory, zip_bytes(sound_members(files)))


def refusal(path: str | Path) -> str:
    with pytest.raises(CoralLockError) as caught:
        declared_plugins(str(path))
    [line] = told(caught.value)
    return line.replace(f"{os.path.dirname(path)}/", "")


def test_a_wheel_says_what_it_declares(tmp_path: Path) -> None:
    [plugin] = declared_plugins(write(tmp_path, DECLARED))
    assert plugin.id == "patches:a"
    assert plugin.place == f"{PLACE}:2:11"
    in_data = {**SOUND, **ENTRY_POINTS, f"{DATA}/purelib/{PLACE}": MANIFEST}
    assert len(declared_plugins(write(tmp_path, in_data))) == 1


def test_what_isnt_there_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / NAME) == (
        f"wheel not found | where: {NAME} | hint: pass the path of a wheel file"
    )
    with pytest.raises(NoPluginError) as caught:
        declared_plugins(write(tmp_path, SOUND))
    assert caught.value.message == f"`{tmp_path / NAME}` declares no plugin"
    assert refusal(write(tmp_path, {**SOUND, **ENTRY_POINTS})) == (
        f"`{NAME}` ships no manifest | hint: in its project, run `coral-runtime manifest compile`"
    )


def test_what_cant_be_used_is_refused(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, b"PK but no zip")
    assert refusal(path) == f"the wheel isn't a ZIP file | where: {NAME}"
    path = write_wheel(tmp_path, zip_bytes((*sound_members(DECLARED), text("../x", ""))))
    assert refusal(path) == f"the member `../x` has an unsafe path | where: {NAME} | hint: {HINT}"
    path = write(tmp_path, {**DECLARED, PLACE: " " * 1_000_000})
    assert refusal(path) == (
        f"the manifest is larger than 262144 bytes | where: {PLACE} | found: 1000000 bytes"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damaged_wheel_raises_anything_but_our_errors(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(zip_bytes(sound_members(DECLARED)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(len(content) - 30, len(content)))
    path = write_wheel(tmp_path, bytes(content[:end]))
    assert is_answered(lambda: declared_plugins(path), CoralLockError)
