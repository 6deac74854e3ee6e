"""Wheels, locks and command lines that mean harm: refused, in little time, and by name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from tests.support.environments import create_environment, install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_plugin

SPEC = (
    "from coral_inference.runtime.plugins import PluginSpec\n"
    'spec = PluginSpec(name="acme", activate=lambda config: True)\n'
)
LARGE = "#" * (1100 << 10)


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


@pytest.fixture
def house(work: WorkingDirectory) -> Path:
    return work.directory / "house"


@pytest.mark.parametrize(
    "marker", ["'x' == 'y'", "'a' in 'b'", "extras in 'x'", "dependency_groups == 'x'"]
)
def test_a_marker_that_means_nothing_is_no_requirement(
    work: WorkingDirectory, house: Path, marker: str
) -> None:
    make_plugin(house, "acme", requires=f"lens; {marker}")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert (
        "error[requirement-unmet]: `patches:acme` (acme 1.0) requires "
        f"`lens; {marker} (a requirement that isn't PEP 508)`\n"
    ) in outcome.stderr


@pytest.mark.parametrize(
    "requirement",
    [f"acme=={'9' * 5000}", f"acme[{','.join(f'e{n}' for n in range(3000))}]"],
    ids=["digits", "extras"],
)
def test_a_requirement_of_endless_length_is_none(
    work: WorkingDirectory, house: Path, requirement: str
) -> None:
    make_plugin(house, "acme", requires=requirement)
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "(a requirement that isn't PEP 508)`\n" in outcome.stderr
    assert len(outcome.stderr) < 2000


def test_an_entry_point_of_endless_length_is_none(work: WorkingDirectory, house: Path) -> None:
    make_wheel(house, "acme", {"acme.py": SPEC}, entry_point=f"{'a.' * 50_000}a:b")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "an entry point is declared in a form that isn't `name = module:attribute`" in (
        outcome.stderr
    )
    assert len(outcome.stderr) < 2000


def test_a_manifest_that_is_too_large_is_not_absent(work: WorkingDirectory, house: Path) -> None:
    files = {"acme/__init__.py": SPEC, "acme/coral_plugin.yaml": f"manifest_version: 9\n{LARGE}"}
    make_wheel(house, "acme", files, entry_point="acme:spec")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert (
        "error[manifest-invalid]: `patches:acme` of `acme` can't be used: the member "
        "`acme/coral_plugin.yaml` has more than 1048576 bytes\n"
    ) in outcome.stderr


def test_a_package_that_is_too_large_does_not_make_way_for_a_module(
    work: WorkingDirectory, house: Path
) -> None:
    """Python imports the package, so the module beside it says nothing of the plugin."""
    files = {"acme/__init__.py": "", "acme/plug.py": SPEC, "acme/plug/__init__.py": SPEC + LARGE}
    make_wheel(house, "acme", files, entry_point="acme.plug:spec")
    work.coral("lock", "--wheels", "house").require(1)
    assert not work.lock_path.exists()


def test_a_version_is_no_line_of_requirements(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "acme")
    injected = "0.0.4\n--index-url https://example.org/simple\n#"
    refused = work.coral("lock", "--wheels", "house", "--core-version", injected).require(2)
    assert refused.stderr.startswith("error: `host.core` has a wrong value\n")
    text = work.locked("--wheels", "house", "--core-version=0.0.4")
    for version in (injected, "0.0.4 ; python_version > '3'"):
        work.write("coral.lock", text.replace('"0.0.4"', json.dumps(version)))
        outcome = work.coral("export", "--format=requirements", "--wheels=house").require(1)
        assert outcome.stdout == ""
        assert "the lock's version of `coral-inference` isn't valid" in (outcome.stderr)
    work.write("coral.lock", text.replace('"version": "1.0"', '"version": "1.0\\n"'))
    assert work.coral("export", "--format=requirements", "--wheels=house").code == 1


def test_of_wheels_with_the_same_files_always_the_same_one_is_exported(
    work: WorkingDirectory, house: Path
) -> None:
    make_plugin(house, "acme", build="5")
    work.locked("--wheels", "house")
    first = house / "acme-1.0-5-py3-none-any.whl"
    wheel = house / "acme-1.0-9-py3-none-any.whl"
    wheel.write_bytes(first.read_bytes())
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("acme-1.0.dist-info/RECORD.jws", "{}")
    work.coral("lock", "--wheels", "house", "--check").require(0)
    outcome = work.coral("export", "--format=requirements", "--wheels=house").require(0)
    hashes = re.findall("sha256:([0-9a-f]+)", outcome.stdout)
    assert hashes == [hashlib.sha256(first.read_bytes()).hexdigest()]


def test_a_target_of_endless_tags_is_none(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "acme")
    for text in ("python=3.9999,platform=linux_x86_64", "python=3.100,platform=linux_x86_64"):
        work.coral("lock", "--wheels", "house", "--target", text).require(2)
    endless = "python=3.11,platform=manylinux_2_2000_x86_64"
    outcome = work.coral("lock", "--wheels", "house", "--target", endless).require(0)
    assert outcome.stderr == "wrote coral.lock: 1 plugin, 1 distribution, 1 target\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_entry_points_that_are_a_pipe_are_not_overlooked(work: WorkingDirectory) -> None:
    site = work.directory / "site-packages"
    dist_info = site / "acme-1.0.dist-info"
    dist_info.mkdir(parents=True)
    (dist_info / "METADATA").write_text("Name: acme\nVersion: 1.0\n")
    os.mkfifo(dist_info / "entry_points.txt")
    outcome = work.coral(
        "lock", "--site-packages", site, "--target", "python=3.11,platform=linux_x86_64"
    ).require(1)
    assert "`entry_points.txt` can't be read: not a regular file" in outcome.stderr


def test_a_lone_carriage_return_ends_a_line_of_metadata(
    work: WorkingDirectory, house: Path
) -> None:
    """Installers take it for the end of a line, and so see what stands behind it."""
    make_wheel(
        house,
        "acme",
        {"acme.py": SPEC},
        entry_point="acme:spec",
        requires="lens\rRequires-Dist: hidden",
    )
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert (
        "`patches:acme` (acme 1.0) requires `hidden`, and `hidden` has no wheel" in outcome.stderr
    )


TOO_NEW = "the wheel isn't a sound ZIP file: zip file version 6.4"


def _needing_version(wheel: Path, header: bytes, version: int) -> Path:
    """Let the first member of a wheel say that it needs a version of the format, in tenths."""
    content = bytearray(wheel.read_bytes())
    content[content.index(header) + HEADERS[header]] = version
    wheel.write_bytes(content)
    return wheel


HEADERS = {b"PK\1\2": 6, b"PK\3\4": 4}
"""Where the central directory's header and a member's own one state the version."""


def test_a_wheel_of_a_later_zip_version_is_refused_everywhere(
    work: WorkingDirectory, house: Path
) -> None:
    wheel = make_plugin(house, "acme")
    work.locked("--wheels", "house")
    _needing_version(wheel, b"PK\1\2", 64)
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert f"error[wheel-malformed]: {TOO_NEW}\n" in outcome.stderr
    for words in (("verify",), ("export", "--format", "requirements")):
        outcome = work.coral(*words, "--wheels", "house").require(3)
        assert (
            f"the wheel of `acme` 1.0 isn't the one that was locked: {TOO_NEW}\n"
        ) in outcome.stderr
    outcome = work.coral("plugins", "check", "house/acme-1.0-py3-none-any.whl").require(1)
    assert outcome.stderr == "acme (wheel): 0 plugins, 1 error\n"
    assert outcome.stdout == (
        f"error[wheel-malformed]: {TOO_NEW}\n"
        "  where: house/acme-1.0-py3-none-any.whl\n"
        "  hint: rebuild the wheel with a sound build backend, or get it from a source you trust\n"
    )


@pytest.mark.parametrize("version", [63, 64])
@pytest.mark.parametrize("header", HEADERS, ids=["directory", "member"])
def test_what_uv_does_not_install_is_not_locked(
    work: WorkingDirectory, house: Path, header: bytes, version: int
) -> None:
    environment = create_environment(work.directory / "environment")
    wheel = _needing_version(make_plugin(house, "acme"), header, version)
    if version > 63:
        with pytest.raises(RuntimeError, match=r"zip file version > 6\.3"):
            install_with_uv(environment, wheel, wheelhouse=house)
    else:
        install_with_uv(environment, wheel, wheelhouse=house)
    work.coral("lock", "--wheels", "house").require(int(version > 63))
