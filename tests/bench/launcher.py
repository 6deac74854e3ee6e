"""Runs commands and measures them; a file of its own, run by a bare interpreter.

On Linux a process's peak memory counts from that of the process that started it, so the
one that starts must be as small as the smallest that is measured, and imports as little.

A line on standard input is a command: the working directory and the words, separated by
`SEPARATOR`. The answer is a line with the wall time in nanoseconds, the peak memory in
KiB and the exit code.
"""

import os
import sys
import time

SEPARATOR = "\x1f"


def run(directory: str, words: list[str], null: int) -> tuple[int, int, int]:
    """Run a command with its output thrown away; return time, peak memory and exit code."""
    started = time.perf_counter_ns()
    child = os.fork()
    if child == 0:
        try:
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.chdir(directory)
            os.execv(words[0], words)
        finally:
            os._exit(127)
    _, status, usage = os.wait4(child, 0)
    took = time.perf_counter_ns() - started
    unit = 1024 if sys.platform == "darwin" else 1
    return took, usage.ru_maxrss // unit, os.waitstatus_to_exitcode(status)


def main() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for line in sys.stdin:
        directory, *words = line.rstrip("\n").split(SEPARATOR)
        print(*run(directory, words, null), flush=True)


if __name__ == "__main__":
    main()
