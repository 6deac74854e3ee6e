"""Where the loader looks for what an ELF file needs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.imports.libraries import search_directories

RPATH, RUNPATH = 15, 29


def elf(*entries: tuple[int, str], is_wide: bool = True, order: str = "<") -> bytes:
    """Return an ELF file with these texts in its dynamic section, and little else."""
    head, row = (64, 56) if is_wide else (52, 32)
    base = 0x1000
    strings, rows = b"\0", []
    for tag, text in entries:
        rows.append((tag, len(strings)))
        strings += text.encode() + b"\0"
    start = head + 2 * row
    rows += [(5, base + start), (0, 0)]
    dynamic = b"".join(struct.pack(order + ("qQ" if is_wide else "iI"), *each) for each in rows)
    content = strings + dynamic
    place = start + len(strings)
    if is_wide:
        segment = struct.Struct(order + "IIQQQQQQ")
        table = segment.pack(1, 4, 0, base, base, start + len(content), 0, 0)
        table += segment.pack(2, 4, place, base + place, 0, len(dynamic), 0, 0)
        rest = struct.pack(order + "HHIQQQI6H", 3, 62, 1, 0, head, 0, 0, head, row, 2, 0, 0, 0)
    else:
        segment = struct.Struct(order + "8I")
        table = segment.pack(1, 0, base, base, start + len(content), 0, 4, 0)
        table += segment.pack(2, place, base + place, 0, len(dynamic), 0, 4, 0)
        rest = struct.pack(order + "HHIIIII6H", 3, 3, 1, 0, head, 0, 0, head, row, 2, 0, 0, 0)
    ident = b"\x7fELF" + bytes((2 if is_wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    return ident + rest + table + content


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([(RUNPATH, "$ORIGIN/../one.libs:${ORIGIN}/deep")], ["one.libs", "pack/deep"]),
        ([(RPATH, "$ORIGIN"), (RUNPATH, "/opt/x")], ["pack", "/opt/x"]),
        ([(RPATH, "$ORIGIN/$LIB")], ["pack/lib", "pack/lib64"]),
        ([(RPATH, "$ORIGIN/$PLATFORM:relative::")], []),
    ],
)
def test_what_a_file_states(
    tmp_path: Path, entries: list[tuple[int, str]], expected: list[str], is_wide: bool, order: str
) -> None:
    path = tmp_path / "pack/library.so"
    path.parent.mkdir()
    path.write_bytes(elf(*entries, is_wide=is_wide, order=order))
    assert search_directories(str(path)) == [str(tmp_path / place) for place in expected]


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_what_is_damaged_states_something_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, is_wide: bool
) -> None:
    content = elf((RUNPATH, "$ORIGIN/../one.libs"), is_wide=is_wide)
    path = tmp_path_factory.getbasetemp() / "damaged.so"
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    assert isinstance(search_directories(str(path)), list)


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 60])
def test_what_is_no_library_states_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "library.so"
    if content is not None:
        path.write_bytes(content)
    assert search_directories(str(path)) == []
