"""The digest of a wheel, and what is refused of its RECORD: a true one, and one thing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.digest import tree_digest
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import WheelContents, read_contents
from coral_lock.wheels.zip_file import HINT
from tests.support.hostile_wheels import (
    DATA,
    INFO,
    SOUND,
    record_of,
    record_row,
    sound_members,
    text,
    write_wheel,
    zip_bytes,
)

RECORD = f"{INFO}/RECORD"
PLUGINS = "acme/plugins.py"
ROW = record_row(PLUGINS, SOUND[PLUGINS])
KNOWN_DIGESTS = {
    "click-8.5.1-py3-none-any.whl": (21, "t1:81efhXpW63h+giO28oddyDIuj0TQcNKWXbd3c87w9SE="),
    "markupsafe-3.0.4-cp311-*x86_64.whl": (10, "t1:fjxQuZhfSazWiBwz0EeA9wdp7J/nabNVUlk+UnDAzWw="),
}


def contents_of(path: str) -> WheelContents:
    with WheelArchive(path) as archive:
        return read_contents(archive)


def refusal(path: str) -> str:
    with pytest.raises(BrokenDistributionError) as caught:
        contents_of(path)
    error = caught.value
    assert (error.code, error.where, error.hint) == ("false-record", path, HINT)
    return error.message


def test_the_files_under_the_site_root_are_hashed(tmp_path: Path) -> None:
    files = {
        **SOUND,
        "acme/__pycache__/plugins.cpython-311.pyc": "",
        f"{INFO}/INSTALLER": "pip",
        f"{DATA}/platlib/acme/a.py": "A = 1\n",
    }
    contents = contents_of(write_wheel(tmp_path, zip_bytes(sound_members(files))))
    covered = {
        "acme-1.0.dist-info/METADATA": SOUND[f"{INFO}/METADATA"],
        "acme-1.0.dist-info/WHEEL": SOUND[f"{INFO}/WHEEL"],
        "acme/__init__.py": "",
        "acme/a.py": "A = 1\n",
        "acme/extra.py": "EXTRA = 1\n",
        "acme/plugins.py": SOUND[PLUGINS],
    }
    hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in covered.items()}
    assert list(contents.files.items()) == list(hashes.items())
    assert contents.digest == tree_digest(hashes.items())
    assert contents.tag == "py3-none-any"


@pytest.mark.parametrize("pattern", KNOWN_DIGESTS)
def test_the_digests_of_real_wheels_are_the_known_ones(wheelhouse: Path, pattern: str) -> None:
    wheels = sorted(wheelhouse.glob(pattern))
    if not wheels:
        pytest.skip("the wheelhouse is another machine's")
    contents = contents_of(str(wheels[0]))
    assert (len(contents.files), contents.digest) == KNOWN_DIGESTS[pattern]


def test_every_wheel_of_the_wheelhouse_is_sound(wheelhouse: Path) -> None:
    wheels = sorted(wheelhouse.glob("*.whl"))
    assert all(contents_of(str(wheel)).files for wheel in wheels)
    assert wheels


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_record_in_another_form_is_true(tmp_path: Path, algorithm: str, line_end: str) -> None:
    quoted = record_row('"acme/plugins.py"', SOUND[PLUGINS], algorithm)
    record = record_of(SOUND).replace(ROW, quoted).replace("\n", line_end)
    path = write_wheel(tmp_path, zip_bytes(sound_members(record=record)))
    expected = contents_of(write_wheel(tmp_path, zip_bytes(sound_members())))
    assert contents_of(path) == expected


def test_signatures_arent_listed(tmp_path: Path) -> None:
    members = (*sound_members(), text(f"{RECORD}.jws", "{}"), text(f"{RECORD}.p7s", ""))
    assert contents_of(write_wheel(tmp_path, zip_bytes(members))).files


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (ROW, "", f"RECORD doesn't list the member `{PLUGINS}`"),
        (ROW, ROW * 2, f"RECORD lists `{PLUGINS}` twice"),
        (ROW, ROW + "acme/gone.py,sha256=x,1\n",
         "RECORD lists `acme/gone.py`, which the wheel doesn't have"),
        (ROW, ROW + "../gone.py,sha256=x,1\n",
         "RECORD lists `../gone.py`, which the wheel doesn't have"),
        (ROW, record_row(PLUGINS, "x" * len(SOUND[PLUGINS])),
         f"the member `{PLUGINS}` doesn't match RECORD"),
        (ROW, ROW.replace(f",{len(SOUND[PLUGINS])}", ",1"),
         f"the member `{PLUGINS}` doesn't match RECORD"),
        (ROW, ROW.replace("sha256=", "sha512="),
         f"the member `{PLUGINS}` doesn't match RECORD"),
        (ROW, f"{PLUGINS},,\n", f"RECORD doesn't state hash and size of `{PLUGINS}`"),
        (ROW, f"{PLUGINS},,7\n", f"RECORD doesn't state hash and size of `{PLUGINS}`"),
        (ROW, ROW.replace(f",{len(SOUND[PLUGINS])}", ","),
         f"RECORD doesn't state hash and size of `{PLUGINS}`"),
        (ROW, record_row(PLUGINS, SOUND[PLUGINS], "md5"),
         f"RECORD states no SHA-256, SHA-384 or SHA-512 of `{PLUGINS}`"),
        (ROW, f"{PLUGINS},sha256,7\n", f"RECORD has an invalid row: `{PLUGINS},sha256,7`"),
        (ROW, f"{PLUGINS},sha256=x,{'9' * 5000}\n",
         f"the member `{PLUGINS}` doesn't match RECORD"),
        (ROW, f"{PLUGINS},sha256=x,many\n",
         f"RECORD has an invalid row: `{PLUGINS},sha256=x,many`"),
        (ROW, f"{PLUGINS}\n", f"RECORD has an invalid row: `{PLUGINS}`"),
        (ROW, "\n" + ROW, "RECORD has an invalid row: ``"),
        (ROW, f"{'x' * 200_000},,\n",
         "RECORD isn't valid CSV: field larger than field limit (131072)"),
        (f"{RECORD},,\n", "", f"RECORD doesn't list the member `{RECORD}`"),
        (f"{RECORD},,\n", f"{RECORD},sha256=x,7\n", f"RECORD states a hash of itself, `{RECORD}`"),
    ],
)  # fmt: skip
def test_a_record_that_isnt_true(tmp_path: Path, old: str, new: str, message: str) -> None:
    record = record_of(SOUND)
    assert old in record
    members = sound_members(record=record.replace(old, new))
    assert refusal(write_wheel(tmp_path, zip_bytes(members))) == message


def test_there_is_no_record(tmp_path: Path) -> None:
    members = tuple(text(name, content) for name, content in SOUND.items())
    path = write_wheel(tmp_path, zip_bytes(members))
    assert refusal(path) == f"the wheel has no `{RECORD}`"


def test_a_signature_is_listed(tmp_path: Path) -> None:
    files: Mapping[str, str] = {**SOUND, f"{RECORD}.jws": "{}"}
    path = write_wheel(tmp_path, zip_bytes(sound_members(files)))
    assert refusal(path) == f"RECORD lists its own signature `{RECORD}.jws`"


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=300,
)
@given(st.data())
def test_damage_is_refused_or_changes_nothing(tmp_path: Path, data: st.DataObject) -> None:
    sound = zip_bytes(sound_members(), zip64=data.draw(st.sampled_from([None, {}])))
    expected = contents_of(write_wheel(tmp_path, sound))
    content = bytearray(sound)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path = write_wheel(tmp_path, bytes(content[:cut]))
    try:
        found = contents_of(path)
    except BrokenDistributionError:
        return
    assert found == expected


def test_every_bit_counts_or_changes_nothing(tmp_path: Path) -> None:
    sound = zip_bytes(sound_members({name: SOUND[name] for name in list(SOUND)[-2:]}))
    expected = contents_of(write_wheel(tmp_path, sound))
    refused = 0
    for at in range(len(sound)):
        content = bytearray(sound)
        content[at] ^= 1 << (at % 8)
        try:
            assert contents_of(write_wheel(tmp_path, bytes(content))) == expected
        except BrokenDistributionError:
            refused += 1
    assert refused > len(sound) * 0.8
