"""Small wheels that would take hours or gigabytes: refused for what is too large about them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coral_lock import budget
from coral_lock.errors import BrokenDistributionError
from coral_lock.locking import closure
from coral_lock.static import source
from coral_lock.wheels import wheelhouse
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import read_contents
from tests.support.device import Outcome
from tests.support.environments import clean_environment
from tests.support.handmade_wheels import make_wheel
from tests.support.hostile_wheels import (
    INFO,
    SOUND,
    record_of,
    sound_members,
    text,
    with_more,
    write_wheel,
    zip_bytes,
)
from tests.support.in_process import WorkingDirectory
from tests.support.operations import assert_linear, counted_calls
from tests.support.plugin_wheels import make_library, make_plugin

HEAD = "from coral_inference.runtime.plugins import PluginSpec\n"
SPEC = "PluginSpec(name='{name}', activate=lambda config: True)"
ENOUGH_MEMORY = 1 << 30


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


@pytest.fixture
def house(work: WorkingDirectory) -> Path:
    return work.directory / "house"


def _lock_in_a_child(work: WorkingDirectory, memory: int) -> Outcome:
    """Lock the wheelhouse in a process that can't have more memory than that."""
    program = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n"
        "from coral_lock.__main__ import main\n"
        "sys.exit(main(['lock', '--wheels', 'house']))\n"
    )
    finished = subprocess.run(
        (sys.executable, "-c", program),
        cwd=work.directory,
        env=clean_environment({"XDG_CACHE_HOME": str(work.cache)}),
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(code=finished.returncode, stdout=finished.stdout, stderr=finished.stderr)


def _plugin_modules(count: int, size: int) -> tuple[dict[str, str], str]:
    """Return modules that compress to nothing and are many nodes each, and entry points in them."""
    files, lines = {"acme/__init__.py": ""}, []
    for number in range(count):
        spec = f"{HEAD}register = {SPEC.format(name=f'p{number}')}\n"
        files[f"acme/m{number}.py"] = spec + "a\n" * ((size - len(spec)) // 2)
        lines.append(f"p{number} = acme.m{number}:register\n")
    return files, "".join(lines)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_twelve_large_modules_are_not_all_read(work: WorkingDirectory, house: Path) -> None:
    files, entry_points = _plugin_modules(12, source.MAX_SOURCE)
    wheel = make_wheel(house, "acme", files, entry_point=entry_points, compressed=True)
    assert wheel.stat().st_size < 16 << 10
    outcome = _lock_in_a_child(work, ENOUGH_MEMORY).require(1)
    assert (
        "error[spec-unknown]: `patches:p9` of `acme` can't be used: the distribution has "
        "more than 524,288 bytes of sources and manifests to read, and a wheel is never run: have "
        "it ship a manifest (`coral-runtime manifest compile`)\n"
    ) in outcome.stderr


def test_a_module_that_is_too_large_is_not_parsed(work: WorkingDirectory, house: Path) -> None:
    files, entry_points = _plugin_modules(1, source.MAX_SOURCE + 2)
    make_wheel(house, "acme", files, entry_point=entry_points, compressed=True)
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert (
        "`patches:p0` of `acme` can't be used: acme/m0.py: the source has more than "
        f"{source.MAX_SOURCE >> 10} KiB, and a wheel is never run"
    ) in outcome.stderr


def test_a_wheel_is_evaluated_once_for_all_targets(
    work: WorkingDirectory, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin(house, "acme")
    parsed: list[str] = []
    parse = source.parse

    def noted(content: bytes, path: str) -> object:
        parsed.append(path)
        return parse(content, path)

    monkeypatch.setattr(source, "parse", noted)
    targets = [f"--target=python=3.{minor},platform=linux_x86_64" for minor in range(10, 14)]
    work.coral("lock", "--wheels", "house", *targets).require(0)
    assert parsed == ["acme.py"]


def test_a_module_is_parsed_once_for_all_its_entry_points(
    work: WorkingDirectory, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"p{number}" for number in range(20)]
    specs = "".join(f"{name} = {SPEC.format(name=name)}\n" for name in names)
    lines = "".join(f"{name} = acme:{name}\n" for name in names)
    make_wheel(house, "acme", {"acme.py": HEAD + specs}, entry_point=lines)
    parsed: list[str] = []
    parse = source.parse

    def noted(content: bytes, path: str) -> object:
        parsed.append(path)
        return parse(content, path)

    monkeypatch.setattr(source, "parse", noted)
    work.coral("lock", "--wheels", "house").require(0)
    assert parsed == ["acme.py"]


def test_manifests_count_as_well(work: WorkingDirectory, house: Path) -> None:
    manifest = "manifest_version: 1\nplugins: []\n" + "#" * (200 << 10)
    files = {f"acme{number}/coral_plugin.yaml": manifest for number in range(4)}
    lines = "".join(f"p{number} = acme{number}:spec\n" for number in range(4))
    make_wheel(house, "acme", files, entry_point=lines, compressed=True)
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert (
        "error[manifest-invalid]: `patches:p3` of `acme` can't be used: the distribution "
        "has more than 524,288 bytes of sources and manifests to read\n"
    ) in outcome.stderr


def test_all_distributions_together_cost_no_more_than_a_run_may(
    work: WorkingDirectory, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "RUN_FACTOR", 2)
    for name in ("acme", "bell", "coil", "dune"):
        make_wheel(house, name, {f"{name}.py": "#" * (250 << 10)}, entry_point=f"{name}:spec")
    work.coral("lock", "--wheels", "house").require(1)
    make_wheel(house, "echo", {"echo.py": "#" * (250 << 10)}, entry_point="echo:spec")
    outcome = work.coral("lock", "--wheels", "house").require(2)
    assert outcome.stderr == (
        "error: the plugins of all distributions together have more than 1,048,576 bytes of "
        "sources and manifests to read\n"
        "  where: house/echo-1.0-py3-none-any.whl\n"
        "  hint: have their authors ship manifests (`coral-runtime manifest compile`), or lock "
        "from fewer wheels\n"
    )


def test_requirements_that_are_too_many(work: WorkingDirectory, house: Path) -> None:
    lines = "".join(f"Requires-Dist: lens{number}\n" for number in range(10_001))
    make_wheel(house, "acme", {"acme.py": ""}, entry_point="acme:spec", metadata_lines=lines)
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "`acme-1.0.dist-info/METADATA` states more than 10,000 requirements\n" in outcome.stderr


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_metadata_of_endless_fields(work: WorkingDirectory, house: Path, ending: str) -> None:
    lines = f"Keywords: a{ending}" * (1 << 17)
    make_wheel(house, "acme", {"acme.py": ""}, entry_point="acme:spec", metadata_lines=lines)
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "`acme-1.0.dist-info/METADATA` has more than 1 MiB of fields\n" in outcome.stderr


def test_a_description_may_be_long(work: WorkingDirectory, house: Path) -> None:
    spec = f"{HEAD}spec = {SPEC.format(name='acme')}\n"
    body = "\n" + "a: b\n\n" * (1 << 19)
    make_wheel(house, "acme", {"acme.py": spec}, entry_point="acme:spec", metadata_lines=body)
    work.coral("lock", "--wheels", "house").require(0)


def test_all_wheels_together_state_no_more_than_is_kept(
    work: WorkingDirectory, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheelhouse, "MAX_REQUIREMENTS_LENGTH", 1 << 20)
    lines = "".join(f"Requires-Dist: {'lens' * 100}{number}\n" for number in range(2000))
    make_plugin(house, "acme", requires="bell")
    make_wheel(house, "bell", {"bell.py": ""}, metadata_lines=lines)
    make_wheel(house, "bell", {"bell.py": ""}, metadata_lines=lines, version="2.0")
    outcome = work.coral("lock", "--wheels", "house").require(2)
    assert outcome.stderr.startswith(
        "error: the wheels state more than 1 MiB of requirements\n  where: house/bell-"
    )


def _chained_extras(house: Path, count: int) -> None:
    lines = "".join(
        f"Requires-Dist: bell[e{number + 1}]; extra == 'e{number}'\nProvides-Extra: e{number}\n"
        for number in range(count)
    )
    make_wheel(house, "bell", {"bell.py": ""}, metadata_lines=lines)
    make_plugin(house, "acme", requires="bell[e0]")


def test_chained_extras_take_linear_time(tmp_path: Path) -> None:
    def lock(count: int) -> None:
        directory = tmp_path / str(count)
        (directory / "house").mkdir(parents=True)
        _chained_extras(directory / "house", count)
        WorkingDirectory(directory=directory).coral("lock", "--wheels", "house").require(0)

    assert_linear(lock, 400, 5_000_000)


def test_markers_for_extras_are_evaluated_within_bounds(
    work: WorkingDirectory, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closure, "_MAX_EVALUATED", 10_000)
    extras = " or ".join(f"extra != 'e{number}'" for number in range(50))
    wanted = ",".join(f"e{number}" for number in range(50))
    make_library(house, "bell", requires=f"coil; {extras}")
    make_library(house, "coil")
    make_plugin(house, "acme", requires=f"bell[{wanted}]")
    outcome = work.coral("lock", "--wheels", "house").require(2)
    assert outcome.stderr == (
        "error: `bell` states more requirements for extras than are evaluated\n"
        "  hint: do without `bell`, or report it to its authors\n"
    )


@pytest.mark.parametrize("name", ["WHEEL", "entry_points.txt"])
def test_a_member_of_the_dist_info_that_is_too_large(
    work: WorkingDirectory, house: Path, name: str
) -> None:
    lines = "Tag: py3-none-any\n" * 100_000
    spec = f"{HEAD}spec = {SPEC.format(name='acme')}\n"
    make_wheel(
        house,
        "acme",
        {"acme.py": spec},
        entry_point="acme = acme:spec\n" + ("" if name == "WHEEL" else f"#{lines}"),
        wheel_lines=lines if name == "WHEEL" else "",
        compressed=True,
    )
    outcome = work.coral("lock", "--wheels", "house").require(1)
    limit = 1 << 16 if name == "WHEEL" else 1 << 20
    assert f"`acme-1.0.dist-info/{name}` has more than {limit} bytes\n" in outcome.stderr


def test_a_tag_that_is_too_long_is_not_printed(work: WorkingDirectory, house: Path) -> None:
    """It was printed whole: 1.7 MB."""
    for length in (1_700_000, 60_000):
        spec = f"{HEAD}spec = {SPEC.format(name='acme')}\n"
        lines = f"Tag: py3-none-{'x' * length}\n"
        make_wheel(house, "acme", {"acme.py": spec}, entry_point="acme:spec", wheel_lines=lines)
        outcome = work.coral("lock", "--wheels", "house").require(1)
        assert "error[wheel-malformed]: " in outcome.stderr
        assert len(outcome.stderr) < 1000


def test_a_name_that_is_too_long_is_not_printed(work: WorkingDirectory, house: Path) -> None:
    metadata = f"Metadata-Version: 2.1\nName: {'x' * (1 << 19)}\nVersion: 1.0\n"
    write_wheel(house, zip_bytes(sound_members({**SOUND, f"{INFO}/METADATA": metadata})))
    make_plugin(house, "bell", requires="acme")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "characters left out) … " in outcome.stderr
    assert "and the file name says `acme` 1.0\n" in outcome.stderr
    assert len(outcome.stderr) < 10_000


def test_a_record_of_many_more_rows_than_files(tmp_path: Path) -> None:
    rows = "".join(f"acme/f{number}.py,,\n" for number in range(100_000))
    path = write_wheel(tmp_path, zip_bytes(sound_members(record=record_of(SOUND) + rows)))
    with (
        counted_calls(50_000),
        WheelArchive(path) as archive,
        pytest.raises(BrokenDistributionError) as refused,
    ):
        read_contents(archive)
    assert refused.value.message == "RECORD lists many more files than the wheel has"


@pytest.mark.parametrize(
    "name",
    ["a" * 300 + "/x.py", "a/" * 120 + "x.py", ("b" * 200 + "/") * 25 + "x.py", "e" + "́" * 5000],
    ids=["part", "parts", "path", "combining characters"],
)
def test_a_path_that_no_file_has(work: WorkingDirectory, house: Path, name: str) -> None:
    flags = 0 if name.isascii() else 0x800
    members = with_more(replace(text(name, "x"), flags=flags))
    write_wheel(house, zip_bytes(members))
    make_plugin(house, "bell", requires="acme")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "has a path that is too long\n" in outcome.stderr
    assert len(outcome.stderr) < 1500
