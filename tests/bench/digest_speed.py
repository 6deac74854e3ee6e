"""How fast the package hashes files, beside what `hashlib` reaches on them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.processes import Program, output_of
from tests.support.environments import Environment

PROGRAM = Path(__file__).parent / "measured" / "hash_speed.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSet:
    """`count` files of `size` bytes each."""

    name: str
    count: int
    size: int


FILE_SETS = (
    FileSet(name="5 files of 40 MiB", count=5, size=40 << 20),
    FileSet(name="10,000 files of 4 KiB", count=10_000, size=4 << 10),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestSpeed:
    """Median megabytes a second; `hashlib` is the faster of one thread and one per core."""

    files: str
    ours: float
    hashlib_one_thread: float
    hashlib_all_cores: float

    @property
    def hashlib(self) -> float:
        return max(self.hashlib_one_thread, self.hashlib_all_cores)


def measure_digests(
    environment: Environment, root: Path, *, rounds: int, variables: Mapping[str, str]
) -> list[DigestSpeed]:
    """Write the file sets below `root` and hash them in every way, round after round."""
    return [
        _measure(files, environment, root / str(index), rounds, variables)
        for index, files in enumerate(FILE_SETS)
    ]


def _measure(
    files: FileSet,
    environment: Environment,
    directory: Path,
    rounds: int,
    variables: Mapping[str, str],
) -> DigestSpeed:
    listing = _write_files(files, directory)
    output = output_of(
        Program(
            name=f"hashing {files.name}",
            words=(str(environment.python), str(PROGRAM), str(rounds), str(listing)),
            directory=directory,
        ),
        variables,
    )
    seconds = zip(*(map(float, line.split()) for line in output.splitlines()))
    megabytes = files.count * files.size / 1e6
    ours, one_thread, all_cores = (megabytes / median(taken) for taken in seconds)
    return DigestSpeed(
        files=files.name,
        ours=ours,
        hashlib_one_thread=one_thread,
        hashlib_all_cores=all_cores,
    )


def _write_files(files: FileSet, directory: Path) -> Path:
    directory.mkdir(parents=True)
    paths = [directory / f"{number:05}" for number in range(files.count)]
    for path in paths:
        path.write_bytes(os.urandom(files.size))
    listing = directory / "listing"
    listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return listing
