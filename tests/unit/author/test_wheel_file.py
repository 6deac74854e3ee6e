"""Reading wheels that may be hostile."""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.author.released import released_manifest
from coral_lock.author.wheel_file import WheelFile
from coral_lock.errors import CoralLockError, InputError
from tests.unit.descriptor.wording import told

MANIFEST = "manifest_version: 1\nplugins: [{group: patches, name: a, entry_point: 'acme:a'}]\n"
ENTRY_POINTS = "[coral_inference.patches]\na = acme:a\n"


def write_wheel(path: Path, files: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return str(path)


def sound_wheel(directory: Path, **more: str) -> str:
    return write_wheel(
        directory / "acme-1-py3-none-any.whl",
        {
            "acme/coral_plugin.yaml": MANIFEST,
            "acme-1.dist-info/entry_points.txt": ENTRY_POINTS,
            **more,
        },
    )


def no_inventory() -> Any:
    raise AssertionError("a wheel needs no inventory")


def refusal(path: str | Path) -> str:
    with pytest.raises(CoralLockError) as caught:
        released_manifest(str(path), no_inventory)
    [line] = told(caught.value)
    return line.replace(f"{os.path.dirname(path)}/", "")


def test_a_wheel_says_what_it_declares(tmp_path: Path) -> None:
    [plugin] = released_manifest(sound_wheel(tmp_path), no_inventory).plugins
    assert plugin.id == "patches:a"
    assert plugin.place == "acme/coral_plugin.yaml:2:11"
    in_data = write_wheel(
        tmp_path / "data.whl",
        {
            "acme-1.data/purelib/acme/coral_plugin.yaml": MANIFEST,
            "acme-1.dist-info/entry_points.txt": ENTRY_POINTS,
        },
    )
    assert len(released_manifest(in_data, no_inventory).plugins) == 1


def test_what_isnt_there_is_told(tmp_path: Path) -> None:
    none = write_wheel(tmp_path / "a.whl", {"acme-1.dist-info/METADATA": ""})
    assert refusal(none).endswith("a.whl declares no plugin | where: a.whl")
    bare = write_wheel(tmp_path / "a.whl", {"acme-1.dist-info/entry_points.txt": ENTRY_POINTS})
    assert refusal(bare).endswith(
        "a.whl ships no manifest | where: a.whl | hint: in its project, run "
        "`coral-runtime manifest compile`"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the wheel can't be used: it isn't a ZIP file | where: a.whl"),
        (b"PK\x05\x06", "the wheel can't be used: it isn't a ZIP file | where: a.whl"),
        (b"x" * 100_000, "the wheel can't be used: it isn't a ZIP file | where: a.whl"),
        (struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 1 << 30, 0, 0),
         "the wheel can't be used: its list of files is longer than 16 MiB | where: a.whl"),
        (b"PK\x06\x07" + bytes(16) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0),
         "the wheel can't be used: its list of files is longer than 16 MiB | where: a.whl"),
    ],
    ids=["empty", "end", "text", "long", "zip64"],
)  # fmt: skip
def test_what_is_no_wheel_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(content)
    assert refusal(path) == message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.whl") == "there is no wheel | where: a.whl"
    os.mkfifo(tmp_path / "a.whl")
    reason = "the wheel can't be read: not a regular file | where: a.whl"
    assert refusal(tmp_path / "a.whl") == reason


def test_hostile_members_are_refused(tmp_path: Path) -> None:
    path = sound_wheel(tmp_path, **{"acme-1.data/purelib/acme/coral_plugin.yaml": MANIFEST})
    assert "`acme/coral_plugin.yaml` is in it 2 times" in refusal(path)
    path = sound_wheel(tmp_path, **{"acme/coral_plugin.yaml": " " * 100_000_000})
    assert "`acme/coral_plugin.yaml` in it is larger than 262144 bytes" in refusal(path)
    path = sound_wheel(tmp_path, **{"other-1.dist-info/METADATA": ""})
    assert "it has 2 `dist-info` directories, not one" in refusal(path)
    path = sound_wheel(tmp_path, **{"acme-1.dist-info/entry_points.txt": "[x"})
    assert "declares no plugin" in refusal(path)
    squeezed = write_wheel(
        tmp_path / "b.whl", {"acme-1.dist-info/entry_points.txt": ENTRY_POINTS}, zipfile.ZIP_LZMA
    )
    assert "is compressed in a way that wheels aren't" in refusal(squeezed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_damaged_wheel_raises_anything_but_our_errors(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(Path(sound_wheel(tmp_path)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.whl"
    path.write_bytes(content[: data.draw(st.integers(len(content) - 30, len(content)))])
    with contextlib.suppress(CoralLockError):
        released_manifest(str(path), no_inventory)


def test_the_file_is_closed(tmp_path: Path) -> None:
    with WheelFile(sound_wheel(tmp_path)) as wheel:
        assert wheel.read("absent", 10) is None
        with pytest.raises(InputError):
            wheel.read("acme/coral_plugin.yaml", 10)
