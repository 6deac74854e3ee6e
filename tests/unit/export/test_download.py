"""Filling a wheelhouse: what is asked for, and what of the answer gets into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from coral_lock.child_process import ChildEnd
from coral_lock.errors import InputError, WriteError
from coral_lock.export import download
from coral_lock.export.download import Failure, Fetched, Pip, Request, fetch_wheels
from coral_lock.inventory import Reporter
from coral_lock.lockfile.entries import Host, HostPackage, LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.wheels.wheelhouse import Wheelhouse
from tests.support.locks import TAG, digest_of
from tests.support.plugin_wheels import make_library

NATIVE = "cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Where wheels come from."""
    directory = tmp_path / "index"
    directory.mkdir()
    make_library(directory, "crop")
    make_library(directory, "lens")
    make_library(directory, "lens", tag=NATIVE)
    return directory


def lock_of(index: Path, *more: LockedDistribution) -> Lock:
    """Return a lock that pins all wheels of an index."""
    house = Wheelhouse([str(index)])
    found: dict[str, dict[str, str]] = {}
    for name in house.names():
        for wheel in house.wheels_of(name, "1.0"):
            contents = house.contents(wheel)
            assert not isinstance(contents, Exception)
            found.setdefault(name, {})[contents.tag] = contents.digest
    pinned = [
        LockedDistribution(name=name, version="1.0", digests=digests)
        for name, digests in found.items()
    ]
    return Lock(
        platform="onnx",
        host=Host(
            core=HostPackage(distribution="coral-inference", version="0.0.4"),
            inference=None,
            python="3.11",
        ),
        distributions=tuple(sorted((*pinned, *more), key=lambda each: each.name)),
    )


class Index:
    """Answers requests out of a directory, all or nothing, and keeps them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[Request] = []
        self.failure = Failure(reason="nothing of that name")
        self.meddle: Callable[[Path], object] = lambda place: None

    def __call__(self, request: Request, directory: str) -> Failure | None:
        self.requests.append(request)
        names = [f"{each.name}-{each.version}-{request.tag}.whl" for each in request.distributions]
        if not all((self.directory / name).is_file() for name in names):
            return self.failure
        for name in names:
            shutil.copy2(self.directory / name, directory)
        self.meddle(Path(directory))
        return None

    @property
    def asked(self) -> list[tuple[str, ...]]:
        return [each.requirements for each in self.requests]


def fetched(lock: Lock, house: Path, index: Index, reporter: Reporter | None = None) -> Fetched:
    return fetch_wheels(lock, str(house), (), index, reporter)


def test_wheels_of_one_tag_are_asked_for_together(tmp_path: Path, index: Path) -> None:
    house, source = tmp_path / "new" / "house", Index(index)
    outcome = fetched(lock_of(index), house, source)
    assert outcome == Fetched(
        present=0,
        fetched=(
            "crop-1.0-py3-none-any.whl",
            f"lens-1.0-{NATIVE}.whl",
            "lens-1.0-py3-none-any.whl",
        ),
        left_out=outcome.left_out,
        findings=(),
    )
    assert [(each.name, each.reason) for each in outcome.left_out] == [
        ("coral-inference", "the lock has only its version")
    ]
    assert sorted(os.listdir(house)) == list(outcome.fetched)
    assert [(each.options[3:], each.requirements) for each in source.requests] == [
        (
            (
                "--python-version=3.11",
                "--implementation=cp",
                "--abi=cp311",
                "--platform=manylinux2014_x86_64",
                "--platform=manylinux_2_17_x86_64",
            ),
            ("lens===1.0",),
        ),
        (
            ("--python-version=3.11", "--implementation=cp", "--abi=none", "--platform=any"),
            ("crop===1.0", "lens===1.0"),
        ),
    ]
    assert fetched(lock_of(index), house, source).present == 3
    assert len(source.requests) == 2


def test_what_fails_together_is_asked_for_by_halves(tmp_path: Path, index: Path) -> None:
    lock = lock_of(index)
    (index / "lens-1.0-py3-none-any.whl").unlink()
    source = Index(index)
    outcome = fetched(lock, tmp_path / "house", source)
    assert source.asked[1:] == [("crop===1.0", "lens===1.0"), ("crop===1.0",), ("lens===1.0",)]
    assert outcome.fetched == ("crop-1.0-py3-none-any.whl", f"lens-1.0-{NATIVE}.whl")
    assert [(each.code, each.subject, each.found) for each in outcome.findings] == [
        ("distribution-missing", "lens", "nothing of that name")
    ]


def test_an_index_that_is_away_is_asked_once(tmp_path: Path, index: Path) -> None:
    lock, source = lock_of(index), Index(tmp_path)
    source.failure = Failure(reason="nobody answers", is_general=True)
    outcome = fetched(lock, tmp_path / "house", source)
    assert len(source.requests) == 1
    assert [each.found for each in outcome.findings] == ["nobody answers"] * 3


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda place: os.rename(place / old, place / new)


def instead(put: Callable[[Path], object]) -> Callable[[Path], object]:
    """Put something else in the place of a wheel."""

    def meddle(place: Path) -> None:
        os.unlink(place / CROP)
        put(place / CROP)

    return meddle


CROP = "crop-1.0-py3-none-any.whl"
ANSWERS: dict[str, tuple[Callable[[Path], object], str, str | None]] = {
    "another name": (
        rename(CROP, "crop-9.0-py3-none-any.whl"),
        "distribution-missing",
        "only wheels with other wheel tags",
    ),
    "control characters": (
        rename(CROP, "crop-1.0-\x1b[31m-py3-none-any.whl"),
        "distribution-missing",
        "only wheels with other wheel tags",
    ),
    "a link elsewhere": (
        instead(lambda path: path.symlink_to("/etc/passwd")),
        "digest-mismatch",
        None,
    ),
    "a directory": (
        instead(lambda path: path.mkdir()),
        "distribution-missing",
        "only wheels with other wheel tags",
    ),
    "half of it": (
        lambda place: os.truncate(place / CROP, 300),
        "digest-mismatch",
        None,
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_that_is_not_what_was_locked(tmp_path: Path, index: Path, case: str) -> None:
    source, house = Index(index), tmp_path / "house"
    source.meddle, code, found = ANSWERS[case]
    (index / "lens-1.0-py3-none-any.whl").unlink()
    (index / f"lens-1.0-{NATIVE}.whl").unlink()
    outcome = fetched(lock_of(index), house, source)
    assert [(each.code, each.found) for each in outcome.findings] == [(code, found)]
    assert str(tmp_path) not in repr(outcome.findings)
    assert os.listdir(house) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path, index: Path) -> None:
    lock, house, source = lock_of(index), tmp_path / "house", Index(index)
    house.mkdir()
    other = make_library(house, "crop", requires="lens")
    content = other.read_bytes()
    outcome = fetched(lock, house, source)
    assert [each.code for each in outcome.findings] == ["digest-mismatch"]
    assert outcome.findings[0].where == str(other)
    assert "crop===1.0" not in [each for asked in source.asked for each in asked]
    assert other.read_bytes() == content
    # A name that is taken while wheels are downloaded.
    other.unlink()
    source.meddle = lambda place: (house / CROP).exists() or (house / CROP).write_text("taken")
    with pytest.raises(WriteError, match="isn't overwritten"):
        fetched(lock, house, source)
    assert (house / CROP).read_text() == "taken"
    # Another run that has put the same wheel there.
    (house / CROP).unlink()
    source.meddle = lambda place: shutil.copy2(index / CROP, house)
    assert fetched(lock, house, source).findings == ()


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, index: Path) -> None:
    lock, house, source = lock_of(index), tmp_path / "house", Index(index)

    def interrupt(place: Path) -> None:
        if len(source.requests) == 2:
            os.truncate(place / CROP, 10)
            raise KeyboardInterrupt

    source.meddle = interrupt
    with pytest.raises(KeyboardInterrupt):
        fetched(lock, house, source)
    assert os.listdir(house) == [f"lens-1.0-{NATIVE}.whl"]


def test_a_directory_that_cannot_be_written_to(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, source, house = lock_of(index), Index(index), tmp_path / "house"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(WriteError) as caught:
        fetched(lock, house, source)
    assert caught.value.message == f"wheels can't be put into `{house}`: Permission denied"
    (tmp_path / "file").touch()
    with pytest.raises(WriteError):
        fetched(lock, tmp_path / "file", source)
    assert source.requests == []


def test_where_there_are_no_hard_links(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    outcome = fetched(lock_of(index), tmp_path / "house", Index(index))
    assert sorted(os.listdir(tmp_path / "house")) == list(outcome.fetched)


def test_what_no_wheel_can_have_is_not_asked_for(tmp_path: Path, index: Path) -> None:
    digests = {"any --index-url=x": digest_of("A")}
    strange = LockedDistribution(name="aaa", version="1.0", digests=digests)
    other = LockedDistribution(name="bbb", version="1 @ https://x", digests={TAG: digest_of("A")})
    open_one = LockedDistribution(name="ccc", version="1.0", digests={})
    source = Index(index)
    outcome = fetched(lock_of(index, strange, other, open_one), tmp_path / "house", source)
    assert [(each.code, each.subject, each.found) for each in outcome.findings] == [
        ("distribution-missing", "aaa", "`1.0` and `any --index-url=x`"),
        ("distribution-missing", "bbb", f"`1 @ https://x` and `{TAG}`"),
    ]
    assert len(outcome.fetched) == 3
    assert [each.name for each in outcome.left_out] == ["ccc", "coral-inference"]


def test_progress(tmp_path: Path, index: Path) -> None:
    said: list[tuple[str, int, int]] = []

    class Recorder(Reporter):
        def downloading(self, wheels: str, done: int, total: int) -> None:
            said.append((wheels, done, total))

    fetched(lock_of(index), tmp_path / "house", Index(index), Recorder())
    assert said == [("lens", 0, 3), ("crop, lens", 1, 3)]


OUTPUTS = {
    "no wheel": (
        "WARNING: x\nERROR: Could not find a version\nERROR: No matching distribution found for a",
        Failure(reason="No matching distribution found for a"),
    ),
    "no network": (
        "WARNING: Retrying (Retry(total=0, connect=None)) after: /token/simple/a/\n"
        "ERROR: No matching distribution found for a\n[notice] upgrade",
        Failure(
            reason="an index can't be reached: No matching distribution found for a",
            is_general=True,
        ),
    ),
    "a password": (
        "ERROR: 401 Error for https://user:pass/word@example.org/simple/a/ or "
        "(https://example.org:8443/token/simple) in /somewhere/.netrc",
        Failure(reason="401 Error for … or https://example.org:8443/… in …"),
    ),
    "an exception": (
        "ERROR: Exception:\nTraceback (most recent call last):\nOSError: no space \x1b[31m",
        Failure(reason="OSError: no space \x1b[31m"),
    ),
    "silence": ("", Failure(reason="exited with code 1")),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_why_pip_failed(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    text, expected = OUTPUTS[case]
    end = ChildEnd(
        ending="exited with code 1", exit_code=1, output=text.encode(), errors=b"", answer=b""
    )
    monkeypatch.setattr(download, "run_child", lambda *_, **__: end)
    distribution = LockedDistribution(name="a", version="1.0", digests={TAG: digest_of("A")})
    request = Request(distributions=(distribution,), tag=TAG, python="3.11")
    assert Pip()(request, str(tmp_path)) == expected


def test_without_pip(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = SimpleNamespace(find_spec=lambda name: None)
    monkeypatch.setattr("coral_lock.export.download.PathFinder", finder)
    with pytest.raises(InputError) as caught:
        fetch_wheels(lock_of(index), str(tmp_path / "house"), (), Pip())
    assert caught.value.message == (
        "there is no pip to download with, and uv downloads no wheels of other machines"
    )
    assert os.listdir(tmp_path / "house") == []


@pytest.mark.parametrize(
    ("tag", "implementation"), [("py2.py3-none-any", "cp"), ("pp310-pypy310_pp73-win32", "pp")]
)
def test_the_implementation_is_that_of_the_tag(tag: str, implementation: str) -> None:
    distribution = LockedDistribution(name="a", version="1.0", digests={tag: digest_of("A")})
    request = Request(distributions=(distribution,), tag=tag, python="3.10")
    assert f"--implementation={implementation}" in request.options
