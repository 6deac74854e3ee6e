"""Where the loader looks for what an ELF file needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.imports.libraries import search_directories
from tests.support.elf import RPATH, RUNPATH, elf


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
