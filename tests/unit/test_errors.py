"""The exit codes of `run`, and what may pass by itself."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from coral_lock.errors import (
    InputError,
    ProgramError,
    ProgramNotFoundError,
    describe_exception,
    exit_code_of_run,
)


def _raised(*chain: BaseException) -> BaseException:
    """Return the last of several errors, each raised while the one before it was handled."""
    first, *rest = chain
    try:
        raise first
    except BaseException:
        for each in rest:
            try:
                raise each from None
            except BaseException as later:
                error = later
        return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, 0), (1, 78), (2, 78), (3, 77), (75, 75), (126, 126), (127, 127), (130, 130)],
)
def test_codes_of_other_commands(code: int, expected: int) -> None:
    assert exit_code_of_run(code) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EAGAIN, 75),
        (errno.ENOSPC, 75),
        (errno.EMFILE, 75),
        (errno.ENOMEM, 75),
        (errno.ESTALE, 75),
        (errno.ENOENT, 78),
        (errno.EACCES, 78),
        (errno.EROFS, 78),
        (errno.EIO, 78),
    ],
)
def test_what_the_system_may_grant_later(number: int, expected: int) -> None:
    system = OSError(number, "the reason")
    assert exit_code_of_run(2, system) == expected
    assert exit_code_of_run(2, _raised(system, InputError("the file can't be read"))) == expected


def test_memory_may_be_free_again() -> None:
    assert exit_code_of_run(2, MemoryError()) == 75


def test_other_errors_do_not_pass() -> None:
    assert exit_code_of_run(2, _raised(KeyError("x"), InputError("no"))) == 78
    assert exit_code_of_run(ProgramError("no").exit_code, ProgramError("no")) == 126
    assert exit_code_of_run(127, ProgramNotFoundError("no")) == 127


FOREIGN = """\
import importlib

class Odd(Exception):
    def __str__(self):
        raise self

def odd(): raise Odd
def plain(): raise ValueError("one\\n two")
def silent(): raise KeyError
def leave(): raise SystemExit("bad luck")
def lazy(): importlib.import_module("not_there_at_all")
"""


@pytest.mark.parametrize(
    ("function", "text", "line"),
    [
        ("odd", "Odd: its message can't be shown", 7),
        ("plain", "ValueError: one two", 8),
        ("silent", "KeyError", 9),
        ("leave", "it called `sys.exit('bad luck')`", 10),
        ("lazy", "ModuleNotFoundError: No module named 'not_there_at_all'", 11),
    ],
)
def test_what_foreign_code_raised_is_one_line_with_its_place(
    tmp_path: Path, function: str, text: str, line: int
) -> None:
    file = tmp_path / "foreign.py"
    names: dict[str, Any] = {}
    exec(compile(FOREIGN, str(file), "exec"), names)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        names[function]()
    assert describe_exception(caught.value, __file__) == f"{text} ({file}:{line})"
