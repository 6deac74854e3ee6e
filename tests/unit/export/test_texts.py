"""Installations as text: what is written is what is read."""

from __future__ import annotations

import posixpath

import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock
from packaging.requirements import Requirement

from coral_lock.export.formats import pylock_text, requirements_text
from coral_lock.export.installation import Installation, Pin
from coral_lock.wheels.wheelhouse import WheelFile

NAMES = st.builds(
    "{}{}".format,
    st.text("abcxyz", min_size=1, max_size=8),
    st.just("") | st.text("abz019", min_size=1, max_size=5).map("-{}".format),
)
MARKERS = st.sampled_from(
    [
        None,
        "python_version == '3.11' and sys_platform == 'linux' and platform_machine == 'x86_64'",
        "(python_version == '3.10') or (python_full_version == '3.11.4')",
    ]
)
PARTS = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["Cs"], exclude_characters="/\x7f"),
    min_size=1,
    max_size=12,
).filter(lambda part: part not in (".", ".."))
VERSIONS = st.sampled_from(["1.0", "2.0.1", "1!3", "1.0rc1", "1.0.post2", "2.1+cu118"])


@st.composite
def wheels(draw: st.DrawFn, name: str, version: str) -> WheelFile:
    tag = draw(st.sampled_from(["py3-none-any", "cp311-cp311-linux_x86_64", "py3-none-win32"]))
    directory = draw(st.lists(PARTS, max_size=3))
    file_name = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    return WheelFile(
        path="/".join(["", *directory, file_name]),
        file_name=file_name,
        size=draw(st.integers(1, 1 << 40)),
        sha256=draw(st.binary(min_size=32, max_size=32)).hex(),
    )


@st.composite
def installations(draw: st.DrawFn) -> Installation:
    names = sorted(draw(st.sets(NAMES, max_size=4)))
    pins = []
    for name in names:
        version = draw(VERSIONS)
        several = draw(st.lists(wheels(name, version), min_size=1, max_size=3))
        by_name = {wheel.file_name: wheel for wheel in several}
        pins.append(
            Pin(
                name=name,
                version=version,
                requires=tuple(sorted(draw(st.sets(st.sampled_from(names))))),
                wheels=tuple(by_name[file_name] for file_name in sorted(by_name)),
                marker=draw(MARKERS),
            )
        )
    environments = sorted(draw(st.sets(MARKERS.filter(bool))), key=str)
    return Installation(
        pins=tuple(pins),
        python=draw(st.sampled_from([None, "3.10", "3.12"])),
        environments=tuple(map(str, environments)),
        unpinned_hosts=tuple(draw(st.sets(st.sampled_from(["inference 0.58.0"])))),
    )


@given(installations(), st.lists(PARTS, max_size=3))
def test_a_pylock_says_everything(installation: Installation, parts: list[str]) -> None:
    directory = "/" + "/".join(parts)
    text = pylock_text(installation, directory)
    pylock = Pylock.from_dict(tomlkit.parse(text).unwrap())
    pylock.validate()
    python = installation.python
    assert str(pylock.requires_python or "") == (f"=={python}.*" if python else "")
    assert len(pylock.environments or ()) == len(installation.environments)
    assert len(pylock.packages) == len(installation.pins)
    for package, pin in zip(pylock.packages, installation.pins, strict=True):
        assert (package.name, str(package.version)) == (pin.name, pin.version)
        assert (package.marker is None) == (pin.marker is None)
        assert tuple(each["name"] for each in package.dependencies or ()) == pin.requires
        for found, wheel in zip(package.wheels or (), pin.wheels, strict=True):
            assert (found.name, found.size) == (wheel.file_name, wheel.size)
            assert found.hashes == {"sha256": wheel.sha256}
            assert posixpath.normpath(posixpath.join(directory, str(found.path))) == wheel.path
    assert pylock_text(installation, directory) == text


@given(installations())
def test_requirements_say_everything(installation: Installation) -> None:
    lines = requirements_text(installation).replace(" \\\n    ", " ").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert len(comments) == 1 + len(installation.unpinned_hosts)
    requirements = [line for line in lines if not line.startswith("#")]
    for line, pin in zip(requirements, installation.pins, strict=True):
        text, *hashes = line.split(" --hash=sha256:")
        requirement = Requirement(text)
        assert (requirement.name, str(requirement.specifier)) == (pin.name, f"=={pin.version}")
        assert (requirement.marker is None) == (pin.marker is None)
        assert hashes == sorted({wheel.sha256 for wheel in pin.wheels})
