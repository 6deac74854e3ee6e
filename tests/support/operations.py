"""What code costs, counted in operations: the same on a slow machine as on a fast one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any


class TooMuchError(BaseException):
    """More was done than there should be; nothing that is tested catches it."""


class Operations:
    """How much was done, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    def note_call(self, frame: FrameType, event: str, argument: object) -> None:
        """Count a call of a function, Python's or C's; for `sys.setprofile`."""
        if event in ("call", "c_call"):
            self._add()

    def note_frame(self, frame: FrameType, event: str, argument: object) -> Any:
        """Count each opcode from now on; for `sys.settrace`."""
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            self._add()
        return self.note_frame

    def _add(self) -> None:
        self.count += 1
        if self.count > self._limit:
            # Once is enough: what handles it does something, too.
            sys.setprofile(None)
            sys.settrace(None)
            raise TooMuchError(f"more than {self._limit:,} operations")


@contextmanager
def counted_calls(limit: int) -> Iterator[Operations]:
    """Count the calls of this thread, and end what makes more than `limit` of them."""
    operations = Operations(limit)
    sys.setprofile(operations.note_call)
    try:
        yield operations
    finally:
        sys.setprofile(None)
    assert operations.count <= limit, f"more than {limit:,} calls"


@contextmanager
def counted_opcodes(limit: int) -> Iterator[Operations]:
    """Count what this thread does in functions that it calls; it takes ten times as long."""
    operations = Operations(limit)
    before = sys.gettrace()
    sys.settrace(operations.note_frame)
    try:
        yield operations
    finally:
        sys.settrace(before)
    assert operations.count <= limit, f"more than {limit:,} opcodes"


def assert_linear(
    work: Callable[[int], object],
    size: int,
    most: int,
    counted: Callable[[int], AbstractContextManager[Operations]] = counted_calls,
) -> None:
    """Insist that twice the work takes about twice the operations.

    Args:
        work: does work of a size.
        size: the smaller size.
        most: the operations that the larger size may take at the most, so that a failure ends.
        counted: counts them.
    """
    counts = []
    for each in (size, 2 * size):
        with counted(most) as operations:
            work(each)
        counts.append(operations.count)
    assert counts[1] <= 2.5 * counts[0], f"{counts[0]:,} operations become {counts[1]:,}"
