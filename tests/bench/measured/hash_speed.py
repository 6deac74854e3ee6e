"""Compares the package's hashing with plain `hashlib` on the same files, in one process.

The arguments are the number of rounds and a file that lists the files to hash. A line of
standard output is a round: the seconds that the package took, and those that `hashlib`
took with one thread and with one per core.
"""

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from coral_lock.installed.digest import hash_files

CHUNK_BYTES = 1 << 18
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plain_hash(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        content = file.read(CHUNK_BYTES)
        digest = hashlib.sha256(content)
        if len(content) == CHUNK_BYTES:
            view = memoryview(bytearray(CHUNK_BYTES))
            while size := file.readinto(view):
                digest.update(view[:size])
    return digest.hexdigest()


def hash_with_one_thread(paths: list[str]) -> list[str]:
    return [plain_hash(path) for path in paths]


def hash_with_all_cores(paths: list[str]) -> list[str]:
    with ThreadPoolExecutor(CORES) as pool:
        chunk = max(1, len(paths) // (8 * CORES))
        shares = [paths[start : start + chunk] for start in range(0, len(paths), chunk)]
        return [digest for share in pool.map(hash_with_one_thread, shares) for digest in share]


def hash_with_package(paths: list[str]) -> list[str]:
    hashes = hash_files(dict.fromkeys(paths))
    return [hashes[path] for path in paths]


def main() -> None:
    with open(sys.argv[2], encoding="utf-8") as listing:
        paths = listing.read().splitlines()
    ways = (hash_with_package, hash_with_one_thread, hash_with_all_cores)
    assert len({tuple(way(paths)) for way in ways}) == 1
    for _ in range(int(sys.argv[1])):
        seconds = []
        for way in ways:
            started = perf_counter()
            way(paths)
            seconds.append(perf_counter() - started)
        print(*seconds)


if __name__ == "__main__":
    main()
