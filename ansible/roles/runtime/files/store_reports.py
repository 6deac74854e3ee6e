"""Append the reports of devices to files on the controller, so that they last.

Command: `python3 -I -c TEXT_OF_THIS_FILE DIRECTORY`, with a JSON object on standard input that has
a list of reports, each the text of one line, for each host. They go to `DIRECTORY/HOST.ndjson`.
What was appended before isn't again: a device sends a report until it is told that it was stored.
Standard output says how many were new.
"""

from __future__ import annotations

import json
import os
import sys

_TAIL_BYTES = 32 << 20
"""How much of a file can hold what a device sends once more: twice what it sends at once."""


def main(words: list[str]) -> None:
    """Store what standard input has.

    Raises:
        SystemExit: a host can't be the name of a file.
    """
    (directory,) = words
    reports = json.load(sys.stdin)
    os.makedirs(directory, exist_ok=True)
    stored = 0
    for host, lines in sorted(reports.items()):
        if host != os.path.basename(host) or host.startswith("."):
            sys.exit(f"a host called {host!r} can't have a file of its name")
        stored += append(os.path.join(directory, f"{host}.ndjson"), lines)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)
    print(stored)


def append(path: str, lines: list[str]) -> int:
    """Append the lines that a file doesn't have; return how many.

    A last line without an end, which a loss of power left, is removed.
    """
    if not lines:
        return 0
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with open(descriptor, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - _TAIL_BYTES, 0))
        tail = file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        file.truncate(end - len(tail) + len(whole))
        file.seek(0, os.SEEK_END)
        known = set(whole.split(b"\n"))
        new = [line for line in map(_encoded, lines) if line not in known]
        file.write(b"".join(line + b"\n" for line in new))
        file.flush()
        os.fsync(file.fileno())
    return len(new)


def _encoded(line: str) -> bytes:
    """Return a line as one: a device can't end it early."""
    return line.encode("utf-8", "backslashreplace").replace(b"\n", b" ").replace(b"\r", b" ")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"the system refused: {error.strerror}: {error.filename}")
