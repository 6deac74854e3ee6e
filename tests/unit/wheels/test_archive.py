"""What is refused of a wheel as an archive: a sound one, and one thing changed."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from random import Random

import pytest

from coral_lock.errors import BrokenDistributionError
from coral_lock.wheels import archive as archive_module
from coral_lock.wheels import zip_file
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.zip_file import HINT
from tests.support.hostile_wheels import (
    DATA,
    INFO,
    NAME,
    SOUND,
    ZipMember,
    deflated,
    record_of,
    sound_members,
    text,
    with_changed,
    with_more,
    write_wheel,
    zip_bytes,
)

PLUGINS = "acme/plugins.py"
CONTENT = SOUND[PLUGINS].encode()
PACKED = deflated(CONTENT)
SIZES = (zlib.crc32(CONTENT), len(PACKED), len(CONTENT))
LARGE_SIZES = struct.pack("<HHQQ", 1, 16, len(CONTENT), len(PACKED))
UNKNOWN = 0xFFFFFFFF
LINK, DIRECTORY = 0o120777, 0o40755


def read_all(path: str) -> dict[str, bytes]:
    with WheelArchive(path) as archive:
        return {member.name: b"".join(archive.stream(member)) for member in archive.members}


def refusal(path: str, hint: str = HINT) -> str:
    with pytest.raises(BrokenDistributionError) as caught:
        read_all(path)
    error = caught.value
    assert (error.code, error.where, error.hint) == ("wheel-malformed", path, hint)
    return error.message


def test_a_sound_wheel_is_read(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, zip_bytes(sound_members()))
    expected = {**SOUND, f"{INFO}/RECORD": record_of(SOUND)}
    assert read_all(path) == {name: content.encode() for name, content in expected.items()}
    with WheelArchive(path) as archive:
        assert (archive.path, archive.wheel.path) == (path, path)
        assert (archive.wheel.name, str(archive.wheel.version)) == ("acme", "1.0")
        assert archive.dist_info == INFO
        assert [(member.name, member.site_path) for member in archive.members] == [
            ("acme/__init__.py", "acme/__init__.py"),
            (PLUGINS, PLUGINS),
            (f"{DATA}/purelib/acme/extra.py", "acme/extra.py"),
            (f"{DATA}/scripts/acme", None),
            *((f"{INFO}/{name}",) * 2 for name in ("METADATA", "WHEEL", "RECORD")),
        ]
        assert archive.read("acme/extra.py", 100) == b"EXTRA = 1\n"
        assert archive.read(f"{DATA}/purelib/acme/extra.py", 100) is None
        assert archive.read("absent", 100) is None
        assert archive.read_text("WHEEL") == SOUND[f"{INFO}/WHEEL"]
        assert archive.read_text("entry_points.txt") is None


def test_bounds_of_a_reader_hold(tmp_path: Path) -> None:
    files = {**SOUND, f"{INFO}/latin.txt": "é"}
    members = sound_members(files)
    latin = text(f"{INFO}/latin.txt", "").name
    members = tuple(
        ZipMember(name=latin, content=b"\xe9") if member.name == latin else member
        for member in members
    )
    with WheelArchive(write_wheel(tmp_path, zip_bytes(members))) as archive:
        with pytest.raises(BrokenDistributionError) as caught:
            archive.read(PLUGINS, 10)
        assert caught.value.message == f"the member `{PLUGINS}` has more than 10 bytes"
        with pytest.raises(BrokenDistributionError) as caught:
            archive.read_text("latin.txt")
        assert caught.value.message == f"the member `{INFO}/latin.txt` isn't UTF-8"


def test_nothing_is_read_once_it_is_closed(tmp_path: Path) -> None:
    files = {**SOUND, "acme/large.py": "".join(f"{number}\n" for number in range(100_000))}
    with WheelArchive(write_wheel(tmp_path, zip_bytes(sound_members(files)))) as archive:
        pass
    with pytest.raises(BrokenDistributionError) as caught:
        archive.read(PLUGINS, 10_000)
    assert caught.value.message == "the wheel can't be read: seek of closed file"


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("size", [0, 1, (1 << 16) + 1, 1 << 18, (1 << 20) + 7])
@pytest.mark.parametrize("pattern", [b"\0", Random(1).randbytes(1 << 16)], ids=["zeros", "noise"])
def test_members_of_all_sizes_are_read(
    tmp_path: Path, method: int, size: int, pattern: bytes
) -> None:
    content = (pattern * (size // len(pattern) + 1))[:size]
    large = ZipMember(name=b"acme/large.bin", content=content, method=method)
    path = write_wheel(tmp_path, zip_bytes(with_more(large)))
    assert read_all(path)["acme/large.bin"] == content
    with WheelArchive(path) as archive:
        for member in archive.members:
            pieces = list(archive.stream(member))
            assert all(len(piece) <= archive_module.CHUNK_BYTES for piece in pieces)


def _zipfile(path: Path, force_zip64: bool = False, seekable: bool = True) -> None:
    class Unseekable:
        def __init__(self, file: object) -> None:
            self._write = file.write  # type: ignore[attr-defined]

        def write(self, data: bytes) -> int:
            return int(self._write(data))

        def flush(self) -> None:
            pass

    with open(path, "wb") as file:
        target = file if seekable else Unseekable(file)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            archive.mkdir("acme") if hasattr(archive, "mkdir") else None
            for name, content in {**SOUND, f"{INFO}/RECORD": record_of(SOUND)}.items():
                with archive.open(name, "w", force_zip64=force_zip64) as member:
                    member.write(content.encode())


@pytest.mark.parametrize("force_zip64", [False, True])
@pytest.mark.parametrize("seekable", [False, True])
def test_what_zipfile_writes_is_read(tmp_path: Path, force_zip64: bool, seekable: bool) -> None:
    _zipfile(tmp_path / NAME, force_zip64, seekable)
    assert read_all(str(tmp_path / NAME))[PLUGINS] == CONTENT


SOUND_VARIANTS = {
    "zip64 end record": zip_bytes(sound_members(), zip64={}),
    "zip64 end record alone": zip_bytes(
        sound_members(),
        zip64={},
        end={"count": 0xFFFF, "size": UNKNOWN, "offset": UNKNOWN, "disk": 0xFFFF},
    ),
    "sizes in both extra fields": zip_bytes(
        with_changed(
            PLUGINS,
            extra=LARGE_SIZES,
            local_extra=LARGE_SIZES,
            listed={"size": UNKNOWN, "packed_size": UNKNOWN},
            local={"size": UNKNOWN, "packed_size": UNKNOWN},
        )
    ),
    "sizes in an extra field as well": zip_bytes(with_changed(PLUGINS, local_extra=LARGE_SIZES)),
    "one size in an extra field": zip_bytes(
        with_changed(
            PLUGINS,
            extra=struct.pack("<HHQ", 1, 8, len(CONTENT)),
            listed={"size": UNKNOWN},
        )
    ),
    "unknown extra field": zip_bytes(with_changed(PLUGINS, extra=b"UT\1\0\0")),
    "directory": zip_bytes((ZipMember(name=b"acme/", mode=DIRECTORY, method=0), *sound_members())),
    "directory of data": zip_bytes(
        (
            *sound_members(),
            ZipMember(name=f"{DATA}/purelib/acme/".encode(), mode=DIRECTORY, method=0),
            ZipMember(name=f"{DATA}/purelib/".encode(), mode=DIRECTORY, method=0),
            ZipMember(name=f"{DATA}/".encode(), mode=DIRECTORY, method=0),
            ZipMember(name=b"acme/", mode=DIRECTORY, method=0),
        )
    ),
    "no mode": zip_bytes(with_changed(PLUGINS, mode=0)),
    "latest version": zip_bytes(
        with_changed(PLUGINS, listed={"version": 63}, local={"version": 63})
    ),
    "high byte of the version": zip_bytes(
        with_changed(PLUGINS, listed={"version": 0x314}, local={"version": 0x314})
    ),
    "UTF-8": zip_bytes(with_more(ZipMember(name="acme/é.py".encode(), flags=0x800))),
    "names that begin alike": zip_bytes(
        with_more(text("acme/data.py", ""), text("acme/data/x", ""), text("acme/data-x/x", ""))
    ),
    **{
        f"descriptor {form!r}": zip_bytes(
            with_changed(PLUGINS, flags=8, local=late, after=signature + struct.pack(form, *SIZES))
        )
        for signature in (b"", b"PK\7\x08")
        for form in ("<LLL", "<LQQ")
        for late in ({}, {"checksum": 0, "size": 0, "packed_size": 0})
    },
}


@pytest.mark.parametrize("content", SOUND_VARIANTS.values(), ids=SOUND_VARIANTS)
def test_what_real_writers_do_is_read(tmp_path: Path, content: bytes) -> None:
    assert read_all(write_wheel(tmp_path, content))[PLUGINS] == CONTENT


ELSEWHERE = "has an unsafe path"
UNPORTABLE = "has a name with a character that isn't portable"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "the member `/etc/passwd` has an absolute path"),
        ("C:/x.py", "the member `C:/x.py` has an absolute path"),
        ("c:x.py", "the member `c:x.py` has an absolute path"),
        ("../x.py", f"the member `../x.py` {ELSEWHERE}"),
        ("acme/../x.py", f"the member `acme/../x.py` {ELSEWHERE}"),
        ("acme/./x.py", f"the member `acme/./x.py` {ELSEWHERE}"),
        ("acme//x.py", f"the member `acme//x.py` {ELSEWHERE}"),
        ("acme/..", f"the member `acme/..` {ELSEWHERE}"),
        (".", f"the member `.` {ELSEWHERE}"),
        ("acme/c:/x.py", f"the member `acme/c:/x.py` {ELSEWHERE}"),
        (f"{DATA}/purelib/../x.py", f"the member `{DATA}/purelib/../x.py` {ELSEWHERE}"),
        (f"{DATA}/platlib//x.py", f"the member `{DATA}/platlib//x.py` {ELSEWHERE}"),
        ("acme\\x.py", f"the member `acme\\x.py` {UNPORTABLE}"),
        ("acme/x.py\0.txt", f"the member `acme/x.py\\x00.txt` {UNPORTABLE}"),
        ("acme/x\n.py", f"the member `acme/x\\n.py` {UNPORTABLE}"),
        ("acme/\x1b[31m.py", f"the member `acme/\\x1b[31m.py` {UNPORTABLE}"),
        ("\n", f"the member `\\n` {UNPORTABLE}"),
        ("a" * 300 + "\\", f"the member `{'a' * 200}…` {UNPORTABLE}"),
        ("acme/plugins.py", "the member `acme/plugins.py` appears twice"),
        ("acme/Plugins.PY", "the member `acme/Plugins.PY` differs from `acme/plugins.py` only "
         "in case"),
        ("acme/extra.py", f"the member `acme/extra.py` is installed to the same path "
         f"as `{DATA}/purelib/acme/extra.py`"),
        (f"{DATA}/platlib/acme/extra.py", f"the member `{DATA}/platlib/acme/extra.py` is "
         f"installed to the same path as `{DATA}/purelib/acme/extra.py`"),
        ("acme/plugins.py/x", "the member `acme/plugins.py/x` needs a directory where "
         "`acme/plugins.py` is a file"),
        ("acme", "the member `acme/__init__.py` needs a directory where `acme` is a file"),
        ("Acme/Extra.py/x", "the member `Acme/Extra.py/x` needs a directory where "
         f"`{DATA}/purelib/acme/extra.py` is a file"),
        ("other-1.0.dist-info/METADATA", "a wheel has one dist-info directory, this one has 2: "
         f"`{INFO}`, `other-1.0.dist-info`"),
        ("Acme-1.0.data/purelib/x", "the member `Acme-1.0.data/purelib/x` is in a "
         f"`.data` directory other than `{DATA}`"),
        (f"{DATA}/x", f"the member `{DATA}/x` is in no known scheme of the `.data` "
         "directory"),
        (f"{DATA}/stdlib/x", f"the member `{DATA}/stdlib/x` is in no known scheme of the "
         "`.data` directory"),
        (f"{DATA}/purelib/numpy-9.dist-info/METADATA", f"the member `{DATA}/purelib/"
         "numpy-9.dist-info/METADATA` puts metadata outside of the dist-info directory"),
        (f"{DATA}/data/lib/python3.11/site-packages/x.pth", f"the member `{DATA}/data/lib/"
         "python3.11/site-packages/x.pth` is a data file that is installed among the modules"),
        (f"{DATA}/data/x/Dist-Packages/x", f"the member `{DATA}/data/x/Dist-Packages/x` is a "
         "data file that is installed among the modules"),
        (f"{DATA}/data/lib/python3.11/x.py", f"the member `{DATA}/data/lib/python3.11/x.py` "
         "is a data file that is installed among the modules"),
    ],
)  # fmt: skip
def test_a_member_in_a_bad_place(tmp_path: Path, name: str, message: str) -> None:
    path = write_wheel(tmp_path, zip_bytes(with_more(text(name, "x"))))
    assert refusal(path) == message


def test_names_that_show_alike_are_one(tmp_path: Path) -> None:
    first, second = "acme/\u00e9.py", "acme/e\u0301.py"
    members = (ZipMember(name=name.encode(), flags=0x800) for name in (first, second))
    path = write_wheel(tmp_path, zip_bytes(with_more(*members)))
    assert refusal(path) == f"the member `{second}` differs from `{first}` only in case"


def _changed(**changes: object) -> bytes:
    return zip_bytes(with_changed(PLUGINS, **changes))


def _more(**fields: object) -> bytes:
    return zip_bytes(with_more(ZipMember(**{"name": b"acme/x", **fields})))  # type: ignore[arg-type]


ANOTHER_SIZE = "has another size or checksum in its local header"
ANOTHER_METHOD = "has other flags or another compression method in its local header"
NO_FEATURE = "uses a feature of ZIP files that wheels don't"
NO_DESCRIPTOR = "isn't followed by a true data descriptor"
NO_DIST_INFO = "a wheel has one dist-info directory, this one has 0: none"
NO_END = "the wheel isn't a ZIP file, is truncated, or has a comment or data after its end record"
UNSOUND = "the wheel isn't a sound ZIP file"
OTHER_MEMBERS = "the wheel's central directory doesn't have the members that its end record states"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (_changed(mode=LINK), "isn't a regular file"),
        (_changed(mode=0o20644), "isn't a regular file"),
        (_changed(mode=DIRECTORY), "isn't a regular file"),
        (_changed(flags=1), "is encrypted"),
        (_changed(flags=0x2000), NO_FEATURE),
        (_changed(flags=0x20), NO_FEATURE),
        (_changed(comment=b"x"), NO_FEATURE),
        (_changed(listed={"disk": 1}), NO_FEATURE),
        (_changed(local={"version": 64}), "needs version 6.4 of the ZIP format"),
        (_changed(method=14), "uses an unsupported compression method"),
        (_changed(method=0, packed=b"x"), "isn't compressed, and has two sizes"),
        (_changed(local_name=b"acme/another.py"), "has another name in its local header"),
        (_changed(local_name=b"acme/plugins.py\0"), "has another name in its local header"),
        (_changed(local_name=b"acme"), "has another name in its local header"),
        (_changed(local={"method": 0}), ANOTHER_METHOD),
        (_changed(local={"flags": 0x800}), ANOTHER_METHOD),
        (_changed(listed={"flags": 8}), ANOTHER_METHOD),
        (_changed(local={"checksum": 0}), ANOTHER_SIZE),
        (_changed(local={"size": 1}), ANOTHER_SIZE),
        (_changed(local={"packed_size": 0}), ANOTHER_SIZE),
        (_changed(local={"size": UNKNOWN, "packed_size": UNKNOWN}), ANOTHER_SIZE),
        (_changed(local_extra=LARGE_SIZES.replace(b"\0\0\0", b"\0\0\1", 1)), "states two sizes"),
        (_changed(extra=LARGE_SIZES), "has a broken extra field"),
        (_changed(local_extra=LARGE_SIZES * 2), "has a broken extra field"),
        (_changed(extra=b"UT"), "has a broken extra field"),
        (_changed(local_extra=b"UT\2\0\0"), "has a broken extra field"),
        (_changed(extra=struct.pack("<HH", 0x7075, 9) + b"\1\0\0\0\0other"[:9]),
         "has a second name"),
        (_changed(listed={"offset": 3}), "overlaps the previous member"),
        (_changed(before=b"x"), "is preceded by unlisted data"),
        (_changed(flags=8), NO_DESCRIPTOR),
        (_changed(flags=8, after=struct.pack("<LLL", 1, *SIZES[1:])), NO_DESCRIPTOR),
        (_changed(flags=8, after=struct.pack("<LLL", *SIZES) + b"x"), NO_DESCRIPTOR),
        (_changed(flags=8, after=struct.pack("<LLL", *SIZES) + bytes(99)), NO_DESCRIPTOR),
        (_changed(listed={"size": 5}, local={"size": 5}), "unpacks to more bytes than stated"),
        (_changed(listed={"size": 5000}, local={"size": 5000}),
         "unpacks to fewer bytes than stated"),
        (_changed(listed={"checksum": 5}, local={"checksum": 5}),
         "doesn't have the stated checksum"),
        (_changed(packed=PACKED + b"x"), "has data after its compressed data"),
        (_changed(packed=PACKED[:-2]), "has truncated compressed data"),
        (_changed(packed=b""), "has truncated compressed data"),
        (_changed(packed=b"\xff\xff\xff"), "can't be decompressed"),
    ],
)  # fmt: skip
def test_a_member_that_isnt_what_it_states(tmp_path: Path, content: bytes, what: str) -> None:
    assert refusal(write_wheel(tmp_path, content)) == f"the member `{PLUGINS}` {what}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_more(name=b"acme/x/", content=b"x", mode=DIRECTORY),
         "the member `acme/x/` is a directory with data"),
        (_more(name=b"acme/x/", method=0), "the member `acme/x/` isn't a regular file"),
        (_more(name=b"acme/\xe9.py"),
         "the member `acme/Θ.py` has a name in an undeclared encoding"),
        (_more(name=b"acme/\xe9.py", flags=0x800),
         f"{UNSOUND}: 'utf-8' codec can't decode byte 0xe9 in position 5: invalid continuation "
         "byte"),
        (_more(name=b""), "the member `` has an unsafe path"),
        (_more(before=b"PK\3\4"), "the member `acme/x` is preceded by unlisted data"),
        (_more(after=b"x"), "the wheel has data between its members and their directory"),
    ],
)  # fmt: skip
def test_one_member_too_many(tmp_path: Path, content: bytes, message: str) -> None:
    assert refusal(write_wheel(tmp_path, content)) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", NO_END),
        (b"PK\5\6", NO_END),
        (b"x" * 100_000, NO_END),
        (zip_bytes(()), NO_DIST_INFO),
        (zip_bytes(sound_members()[:1]), NO_DIST_INFO),
        (b"x" + zip_bytes(sound_members()),
         "the wheel's central directory isn't where its end record says"),
        (zip_bytes(sound_members(), behind=b"x"),
         NO_END),
        (zip_bytes(sound_members(), comment=b"x"),
         NO_END),
        (zip_bytes(sound_members(), end={"comment": 1}),
         NO_END),
        (zip_bytes(sound_members(), before_directory=b"x"),
         "the wheel has data between its members and their directory"),
        (zip_bytes(sound_members(), in_directory=b"x"),
         f"{UNSOUND}: Truncated central directory"),
        (zip_bytes(sound_members(), end={"count": 9}), OTHER_MEMBERS),
        (zip_bytes(sound_members(), end={"count": 3}), OTHER_MEMBERS),
        (zip_bytes(sound_members(), in_directory=bytes(46), end={"count": 8}),
         f"{UNSOUND}: Bad magic number for central directory"),
        (_changed(listed={"version": 64}), f"{UNSOUND}: zip file version 6.4"),
        (_changed(listed={"version": 255}, local={"version": 255}),
         f"{UNSOUND}: zip file version 25.5"),
        (zip_bytes(sound_members(), end={"here": 3}),
         "the wheel is one part of a split ZIP file"),
        (zip_bytes(sound_members(), end={"disk": 1}),
         "the wheel is one part of a split ZIP file"),
        (zip_bytes(sound_members(), end={"size": 1 << 30}),
         "the wheel's central directory is larger than 16 MiB"),
        (zip_bytes(sound_members(), end={"offset": 1}),
         "the wheel's central directory isn't where its end record says"),
        (zip_bytes(sound_members(), zip64={"place": 1}),
         "the wheel's ZIP64 end record isn't where it should be"),
        (zip_bytes(sound_members(), zip64={"count": 1}), "the wheel's two end records disagree"),
        (zip_bytes(sound_members(), zip64={"count": 1 << 60}, end={"count": 0xFFFF}),
         "the wheel has more than 100000 members"),
        (zip_bytes(sound_members(), zip64={"size": 1 << 60}, end={"size": UNKNOWN}),
         "the wheel's central directory is larger than 16 MiB"),
        (b"PK\6\7" + bytes(16) + zip_bytes(()),
         "the wheel's ZIP64 end record isn't where it should be"),
    ],
)  # fmt: skip
def test_an_archive_that_isnt_sound(tmp_path: Path, content: bytes, message: str) -> None:
    assert refusal(write_wheel(tmp_path, content)) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other-1.0-py3-none-any.whl", f"the member `{INFO}` doesn't match the file name, "
         "which states other 1.0"),
        ("acme-1.1-py3-none-any.whl", f"the member `{INFO}` doesn't match the file name, "
         "which states acme 1.1"),
    ],
)  # fmt: skip
def test_a_file_name_of_another_distribution(tmp_path: Path, name: str, message: str) -> None:
    assert refusal(write_wheel(tmp_path, zip_bytes(sound_members()), name)) == message


def test_names_and_versions_are_compared_as_such(tmp_path: Path) -> None:
    files = {
        name.replace("acme-1.0", "Acme_vision-1.0+cpu.1"): content
        for name, content in SOUND.items()
    }
    members = tuple(text(name, content) for name, content in files.items())
    path = write_wheel(tmp_path, zip_bytes(members), "acme.Vision-1.0.0+cpu_1-py3-none-any.whl")
    with WheelArchive(path) as archive:
        assert archive.dist_info == "Acme_vision-1.0+cpu.1.dist-info"


@pytest.mark.parametrize("length_at", [28, 30, 32], ids=["name", "extra field", "comment"])
def test_an_entry_that_the_directory_cuts(tmp_path: Path, length_at: int) -> None:
    content = bytearray(zip_bytes(sound_members()))
    content[content.rindex(b"PK\1\2") + length_at] += 1
    assert refusal(write_wheel(tmp_path, bytes(content))) == OTHER_MEMBERS


def test_what_cant_be_opened(tmp_path: Path) -> None:
    path = str(tmp_path / NAME)
    hint = "make it readable, or remove it from the wheelhouse"
    assert refusal(path, hint) == "the wheel can't be read: No such file or directory"
    os.mkfifo(path)
    assert refusal(path, hint) == "the wheel can't be read: not a regular file"


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((zip_file, "MAX_WHEEL_BYTES", 0), "the wheel is larger than 0 GiB"),
        ((zip_file, "MAX_MEMBERS", 3), "the wheel has more than 3 members"),
        (
            (zip_file, "MAX_DIRECTORY_BYTES", 3),
            "the wheel's central directory is larger than 0 MiB",
        ),
        ((zip_file, "MAX_UNPACKED_BYTES", 99), "the wheel unpacks to more than 0 GiB"),
    ],
)
def test_bounds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bounds: tuple[object, str, int],
    message: str,
) -> None:
    monkeypatch.setattr(*bounds)
    assert refusal(write_wheel(tmp_path, zip_bytes(sound_members()))) == message


def test_a_bomb_stops_at_once(tmp_path: Path) -> None:
    bomb = ZipMember(
        name=b"acme/bomb",
        content=b"",
        packed=deflated(bytes(1 << 26)),
        listed={"size": 10},
        local={"size": 10},
    )
    path = write_wheel(tmp_path, zip_bytes((bomb, *sound_members())))
    assert refusal(path) == "the member `acme/bomb` unpacks to more bytes than stated"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    noise = ZipMember(name=b"acme/noise", content=bytes(1 << 20), method=0)
    path = write_wheel(tmp_path, zip_bytes(with_more(noise)))
    with WheelArchive(path) as archive:
        os.truncate(path, 1 << 18)
        with pytest.raises(BrokenDistributionError) as caught:
            list(archive.stream(archive.members[-1]))
    assert caught.value.message == "the member `acme/noise` is truncated"
