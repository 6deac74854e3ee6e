"""Change the code in small ways, one at a time, and count how many of them a test notices.

Command: `python -m tests.mutants [WORD…]`, a word being part of a module's path. Each mutant
is written into a copy of the repository and the tests beside it are run there. The exit code
is 1 where fewer than 95 % are noticed.

The mutants stand in `mutants.yaml`: for each module the tests that answer for it, and pairs
of a text that it holds once and of what takes its place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import yaml

from tests.support.wheelhouse import REPOSITORY

FILE = Path(__file__).with_name("mutants.yaml")
REQUIRED = 0.95
_TIME_LIMIT = 120
_TESTS_FAILED = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One change of a module: `old`, which it holds once, becomes `new`."""

    module: str
    tests: tuple[str, ...]
    old: str
    new: str

    @property
    def title(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.module}: `{old}` → `{new}`"


def read_mutants() -> tuple[Mutant, ...]:
    """Return the mutants of `mutants.yaml`, in its order."""
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(
        Mutant(module=module, tests=tuple(entry["tests"]), old=old, new=new)
        for module, entry in document.items()
        for old, new in entry["mutants"]
    )


def tests_fail(tests: Sequence[str], copy: Path) -> bool:
    """Run tests in a copy of the repository; a test that doesn't end has failed."""
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
                *("-p", "no:xdist", "--hypothesis-seed=0", *tests),
            ],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, _TESTS_FAILED):
        output = done.stdout.decode()
        raise SystemExit(f"error: {' '.join(tests)} can't be run:\n{output}")
    return done.returncode == _TESTS_FAILED


def is_noticed(mutant: Mutant, copy: Path) -> bool:
    """Run the tests of a mutant in a copy of the repository, which is put back afterwards."""
    path = copy / "coral_lock" / mutant.module
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise SystemExit(f"error: `coral_lock/{mutant.module}` doesn't hold once:\n{mutant.old}")
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return tests_fail(mutant.tests, copy)
    finally:
        path.write_text(source, encoding="utf-8")


def try_all(mutants: Sequence[Mutant], root: Path) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant and whether it is noticed, with one copy of the repository a core."""
    copies: SimpleQueue[Path] = SimpleQueue()
    workers = os.cpu_count() or 1
    for number in range(workers):
        copy = root / str(number)
        shutil.copytree(
            REPOSITORY, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "bench")
        )
        copies.put(copy)

    def attempt(mutant: Mutant) -> bool:
        copy = copies.get()
        try:
            return is_noticed(mutant, copy)
        finally:
            copies.put(copy)

    for tests in sorted({mutant.tests for mutant in mutants}):
        if tests_fail(tests, root / "0"):
            raise SystemExit(f"error: {' '.join(tests)} fails without any mutant")
    with ThreadPoolExecutor(workers) as pool:
        yield from zip(mutants, pool.map(attempt, mutants), strict=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of a module's path")
    words = parser.parse_args().words
    mutants = [
        mutant
        for mutant in read_mutants()
        if not words or any(word in mutant.module for word in words)
    ]
    noticed = 0
    with tempfile.TemporaryDirectory() as directory:
        for mutant, is_dead in try_all(mutants, Path(directory)):
            noticed += is_dead
            if not is_dead:
                print(f"survived: {mutant.title}", flush=True)
    share = noticed / len(mutants) if mutants else 1
    print(f"{noticed} of {len(mutants)} mutants noticed: {share:.0%}, required {REQUIRED:.0%}")
    return 0 if share >= REQUIRED else 1


if __name__ == "__main__":
    sys.exit(main())
