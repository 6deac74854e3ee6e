"""What a wheel says of itself: the same as the distribution that is installed from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import Distribution, EntryPoint
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import distribution_of, read_texts, read_wheel_tag
from coral_lock.wheels.zip_file import HINT
from tests.support.hostile_wheels import INFO, SOUND, sound_members, write_wheel, zip_bytes

METADATA, WHEEL = f"{INFO}/METADATA", f"{INFO}/WHEEL"
FULL: Mapping[str, str] = {
    **SOUND,
    METADATA: "Metadata-Version: 2.1\nName: Acme\nVersion: 1.0.0\nRequires-Python: >=3.9, <4\n"
    "Requires-Dist: numpy\nRequires-Dist: click (>=8)\nRequires-Dist: numpy\n\nName: other\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\nacme = acme:main\n[coral_inference.patches]\n"
    "sharpen = acme.plugins:sharpen\ndenoise = acme.plugins:denoise [fast]\n",
}


def wheel(directory: Path, files: Mapping[str, str]) -> str:
    return write_wheel(directory, zip_bytes(sound_members(files)))


def read_distribution(archive: WheelArchive) -> Distribution:
    return distribution_of(archive.wheel, archive.dist_info, read_texts(archive))


def test_a_wheel_s_distribution(tmp_path: Path) -> None:
    path = wheel(tmp_path, FULL)
    with WheelArchive(path) as archive:
        assert read_distribution(archive) == Distribution(
            name="acme",
            version="1.0.0",
            requires=("click (>=8)", "numpy"),
            entry_points=tuple(
                EntryPoint(group="patches", name=name, value=f"acme.plugins:{name}")
                for name in ("denoise", "sharpen")
            ),
            location=path,
            requires_python=">=3.9, <4",
        )
        assert read_wheel_tag(archive) == "py3-none-any"


def test_it_is_what_an_installation_says(tmp_path: Path) -> None:
    for name, content in FULL.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    installed = EnvironmentInventory([str(tmp_path)]).find("acme")
    assert isinstance(installed, Distribution)
    with WheelArchive(wheel(tmp_path, FULL)) as archive:
        assert read_distribution(archive).replace(location=installed.location) == installed


def test_tags_are_compressed_and_sorted(tmp_path: Path) -> None:
    text = SOUND[WHEEL] + "Tag: py2-none-any\n"
    with WheelArchive(wheel(tmp_path, {**SOUND, WHEEL: text})) as archive:
        assert read_wheel_tag(archive) == "py2.py3-none-any"


def _read(archive: WheelArchive) -> tuple[Distribution, str]:
    return read_distribution(archive), read_wheel_tag(archive)


def _without(name: str) -> dict[str, str]:
    return {path: content for path, content in SOUND.items() if path != name}


NO_NAME = f"the member `{METADATA}` states no name and version"
NO_FORMAT = f"the member `{WHEEL}` states no known version of the format"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (_without(METADATA), f"the wheel has no `{METADATA}`"),
        (_without(WHEEL), f"the wheel has no `{WHEEL}`"),
        ({**SOUND, METADATA: ""}, NO_NAME),
        ({**SOUND, METADATA: "Name: acme\n\nVersion: 1.0\n"}, NO_NAME),
        (
            {**SOUND, METADATA: "Name: numpy\nVersion: 1.0\n"},
            f"the member `{METADATA}` is that of `numpy` 1.0, and the file name says `acme` 1.0",
        ),
        (
            {**SOUND, METADATA: "Name: acme\nVersion: 2.0\n"},
            f"the member `{METADATA}` is that of `acme` 2.0, and the file name says `acme` 1.0",
        ),
        (
            {**SOUND, METADATA: "Name: acme\nVersion: one\n"},
            f"the member `{METADATA}` is that of `acme` one, and the file name says `acme` 1.0",
        ),
        ({**SOUND, WHEEL: ""}, NO_FORMAT),
        ({**SOUND, WHEEL: "Wheel-Version: 2.0\nTag: py3-none-any\n"}, NO_FORMAT),
        ({**SOUND, WHEEL: "Wheel-Version: 1.0\n"}, f"the member `{WHEEL}` states no tag"),
        (
            {**SOUND, WHEEL: "Wheel-Version: 1.0\nTag: any\n"},
            f"the member `{WHEEL}` states no tag",
        ),
    ],
)
def test_metadata_that_cant_be_used(tmp_path: Path, files: Mapping[str, str], message: str) -> None:
    path = wheel(tmp_path, files)
    with WheelArchive(path) as archive, pytest.raises(BrokenDistributionError) as caught:
        _read(archive)
    error = caught.value
    assert (error.message, error.code, error.where, error.hint) == (
        message,
        "wheel-malformed",
        path,
        HINT,
    )


def test_an_entry_point_that_is_malformed(tmp_path: Path) -> None:
    files = {**SOUND, f"{INFO}/entry_points.txt": "[coral_inference.patches]\na = b\n"}
    path = wheel(tmp_path, files)
    with WheelArchive(path) as archive, pytest.raises(BrokenDistributionError) as caught:
        read_distribution(archive)
    assert (caught.value.message, caught.value.code, caught.value.where) == (
        "an entry point is declared in a form that isn't `name = module:attribute`: `a = b`",
        "plugin-broken",
        f"{path}/{INFO}/entry_points.txt:2",
    )
