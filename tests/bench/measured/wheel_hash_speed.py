"""What hashing wheels as they are takes: their files' bytes, packed, and no more.

Usage: `wheel_hash_speed.py DIRECTORY`. It prints the number of bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CHUNK = 1 << 20


def _hash_file(path: Path) -> int:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return path.stat().st_size


def main() -> None:
    wheels = sorted(Path(sys.argv[1]).glob("*.whl"), key=lambda path: -path.stat().st_size)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        print(sum(pool.map(_hash_file, wheels)))


if __name__ == "__main__":
    main()
