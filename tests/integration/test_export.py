"""`export`: requirements and pylock files, what pip and uv make of them, and bills of materials."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tomlkit
import uv
from packaging.pylock import Pylock

from coral_lock.export.cyclonedx import cyclonedx_text
from coral_lock.lockfile.file import load_lock
from coral_lock.lockfile.text import write_lock
from tests.support.environments import Environment, create_environment, run
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin
from tests.support.wheelhouse import THIS

GATE = (
    "python_version == '{python}' and sys_platform == 'linux' and platform_machine == '{machine}'"
)
HEADING = "# Made from a coral.lock by `coral-runtime export`: export again, don't edit.\n"
TARGETS = """\
targets:
  - {{name: field, python: "{field}", platform: manylinux_2_31_aarch64}}
  - {{name: gate, python: "{gate}", platform: manylinux_2_17_x86_64}}
"""
INSTALL = {
    "pip": (sys.executable, "-m", "pip", "--python={python}", "install"),
    "uv": (
        uv.find_uv_bin(),
        "--no-config",
        "pip",
        "install",
        "--python={python}",
        "--offline",
        "--no-cache",
    ),
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    directory = tmp_path / "house"
    directory.mkdir()
    return directory


@pytest.fixture
def work(tmp_path: Path, house: Path) -> WorkingDirectory:
    """A plugin that requires a library, locked for this interpreter."""
    make_plugin(house, "zoom", requires="lens")
    make_library(house, "lens", "1.0")
    made = WorkingDirectory(directory=tmp_path)
    made.locked("--wheels=house", "--core-version=0.0.4", "--inference-version=0.58.0")
    return made


@pytest.fixture
def fleet(tmp_path: Path, house: Path) -> WorkingDirectory:
    """Two targets of which each needs something that the other doesn't."""
    make_plugin(house, "zoom", requires="lens; platform_machine == 'aarch64'")
    make_library(house, "lens", tag="cp310-abi3-manylinux_2_17_aarch64")
    make_plugin(house, "crop", tag="py3-none-manylinux_2_17_x86_64")
    make_library(house, "lens", tag="py3-none-manylinux_2_17_x86_64")
    made = WorkingDirectory(directory=tmp_path)
    made.write("runtime.yaml", TARGETS.format(field="3.10", gate="3.11"))
    made.locked("-c", "runtime.yaml", "--wheels=house")
    return made


def sha256(work: WorkingDirectory, name: str) -> str:
    return hashlib.sha256((work.directory / "house" / name).read_bytes()).hexdigest()


def size(work: WorkingDirectory, name: str) -> int:
    return (work.directory / "house" / name).stat().st_size


def wheel_table(work: WorkingDirectory, name: str, directory: str = "house") -> str:
    return (
        "[[packages.wheels]]\n"
        f'name = "{name}"\n'
        f'path = "{directory}/{name}"\n'
        f"size = {size(work, name)}\n"
        "\n"
        "[packages.wheels.hashes]\n"
        f'sha256 = "{sha256(work, name)}"\n'
    )


def export(work: WorkingDirectory, form: str, *words: str) -> str:
    """Export to stdout, insist on success, and return the text."""
    outcome = work.coral("export", "--format", form, "--wheels=house", *words).require(0)
    assert outcome.stderr == ""
    return outcome.stdout


def check_pylock(text: str) -> Pylock:
    """Hold that a text is a valid `pylock.toml`."""
    pylock = Pylock.from_dict(tomlkit.parse(text).unwrap())
    pylock.validate()
    return pylock


LENS, ZOOM = "lens-1.0-py3-none-any.whl", "zoom-1.0-py3-none-any.whl"


def test_requirements_of_one_interpreter(work: WorkingDirectory) -> None:
    assert export(work, "requirements") == (
        HEADING + "# coral-inference 0.0.4 isn't pinned: the lock has only its version.\n"
        "# inference 0.58.0 isn't pinned: the lock has only its version.\n"
        "lens==1.0 \\\n"
        f"    --hash=sha256:{sha256(work, LENS)}\n"
        "zoom==1.0 \\\n"
        f"    --hash=sha256:{sha256(work, ZOOM)}\n"
    )


def test_a_pylock_of_one_interpreter(work: WorkingDirectory) -> None:
    text = export(work, "pylock")
    assert text == (
        'lock-version = "1.0"\n'
        f'requires-python = "=={THIS.python}.*"\n'
        'created-by = "coral-lock"\n'
        "\n"
        "[[packages]]\n"
        'name = "lens"\n'
        'version = "1.0"\n'
        "\n" + wheel_table(work, LENS) + "\n"
        "[[packages]]\n"
        'name = "zoom"\n'
        'version = "1.0"\n'
        "\n"
        "[[packages.dependencies]]\n"
        'name = "lens"\n'
        "\n" + wheel_table(work, ZOOM)
    )
    check_pylock(text)


ARM, X86 = (
    "lens-1.0-cp310-abi3-manylinux_2_17_aarch64.whl",
    "crop-1.0-py3-none-manylinux_2_17_x86_64.whl",
)
FIELD_MARKER = GATE.format(python="3.10", machine="aarch64")
GATE_MARKER = GATE.format(python="3.11", machine="x86_64")


def test_requirements_of_targets_that_differ(fleet: WorkingDirectory) -> None:
    assert export(fleet, "requirements") == (
        HEADING + f"crop==1.0 ; {GATE_MARKER} \\\n"
        f"    --hash=sha256:{sha256(fleet, X86)}\n"
        f"lens==1.0 ; {FIELD_MARKER} \\\n"
        f"    --hash=sha256:{sha256(fleet, ARM)}\n"
        "zoom==1.0 \\\n"
        f"    --hash=sha256:{sha256(fleet, ZOOM)}\n"
    )
    assert export(fleet, "requirements", "--target=field") == (
        HEADING + "lens==1.0 \\\n"
        f"    --hash=sha256:{sha256(fleet, ARM)}\n"
        "zoom==1.0 \\\n"
        f"    --hash=sha256:{sha256(fleet, ZOOM)}\n"
    )


def test_a_pylock_of_targets_that_differ(fleet: WorkingDirectory) -> None:
    text = export(fleet, "pylock")
    field, gate = (marker.replace("'", '\\"') for marker in (FIELD_MARKER, GATE_MARKER))
    assert text == (
        'lock-version = "1.0"\n'
        f'environments = ["{field}", "{gate}"]\n'
        'created-by = "coral-lock"\n'
        "\n"
        "[[packages]]\n"
        'name = "crop"\n'
        'version = "1.0"\n'
        f'marker = "{gate}"\n'
        "\n" + wheel_table(fleet, X86) + "\n"
        "[[packages]]\n"
        'name = "lens"\n'
        'version = "1.0"\n'
        f'marker = "{field}"\n'
        "\n" + wheel_table(fleet, ARM) + "\n"
        "[[packages]]\n"
        'name = "zoom"\n'
        'version = "1.0"\n'
        "\n"
        "[[packages.dependencies]]\n"
        'name = "lens"\n'
        "\n" + wheel_table(fleet, ZOOM)
    )
    check_pylock(text)
    alone = check_pylock(export(fleet, "pylock", "--target=gate"))
    assert [package.name for package in alone.packages] == ["crop", "zoom"]
    assert str(alone.requires_python) == "==3.11.*"
    assert list(map(str, alone.environments or ())) == [GATE_MARKER.replace("'", '"')]


def test_every_wheel_of_a_distribution_is_allowed(tmp_path: Path, house: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    make_plugin(house, "zoom", tag="py3-none-manylinux_2_17_aarch64")
    make_plugin(house, "zoom", tag="py3-none-manylinux_2_17_x86_64")
    make_plugin(house, "zoom", tag="py3-none-win32")
    work.write("runtime.yaml", TARGETS.format(field="3.10", gate="3.10"))
    work.locked("-c", "runtime.yaml", "--wheels=house")
    names = [f"zoom-1.0-py3-none-manylinux_2_17_{each}.whl" for each in ("aarch64", "x86_64")]
    hashes = sorted(sha256(work, name) for name in names)
    assert export(work, "requirements") == (
        HEADING + f"zoom==1.0 \\\n    --hash=sha256:{hashes[0]} \\\n    --hash=sha256:{hashes[1]}\n"
    )
    pylock = check_pylock(export(work, "pylock"))
    assert [wheel.name for wheel in pylock.packages[0].wheels or ()] == names
    assert str(pylock.requires_python) == "==3.10.*"
    field = check_pylock(export(work, "pylock", "--target=field"))
    assert [wheel.name for wheel in field.packages[0].wheels or ()] == names[:1]


@pytest.mark.parametrize(
    ("field", "gate", "alike"),
    [
        # The C library, which alone tells them apart, is in no marker.
        ("3.11", "3.11", True),
        ("3.11", "3.11.4", True),
        ("3.11.4", "3.11", False),
        ("3.10", "3.11", False),
    ],
)
def test_targets_that_no_marker_tells_apart(
    tmp_path: Path, house: Path, field: str, gate: str, alike: bool
) -> None:
    work = WorkingDirectory(directory=tmp_path)
    make_plugin(house, "zoom")
    make_plugin(house, "crop", tag=f"cp{field.replace('.', '')[:3]}-none-manylinux_2_31_x86_64")
    targets = TARGETS.format(field=field, gate=gate).replace("aarch64", "x86_64")
    work.write("runtime.yaml", targets)
    work.locked("-c", "runtime.yaml", "--wheels=house")
    outcome = work.coral("export", "--format=requirements", "--wheels=house")
    if not alike:
        outcome.require(0)
        return
    assert outcome.require(1).stderr == (
        "error[conflict]: only some targets need `crop`, and no marker distinguishes them from the "
        "others\n"
        "  expected: field\n"
        "  found: gate\n"
        "  hint: export each target separately with `--target NAME`\n"
        "nothing is exported\n"
    )
    assert outcome.stdout == ""
    assert "crop==1.0 \\\n" in export(work, "requirements", "--target=field")
    assert "crop" not in export(work, "requirements", "--target=gate")


def missing(version: str = "1.0", found: str = "no wheel of that version") -> str:
    return (
        f"error[distribution-missing]: the wheelhouse has no wheel of `lens` {version} with the "
        "locked wheel tag\n"
        "  expected: py3-none-any\n"
        f"  found: {found}\n"
        '  where: distributions.lens.digests["py3-none-any"]\n'
        "  hint: download the locked wheels with `coral-runtime fetch --wheels DIR`\n"
        "nothing is exported\n"
    )


def test_a_missing_wheel(work: WorkingDirectory, house: Path) -> None:
    (house / LENS).unlink()
    words = ("export", "--format=requirements", "--wheels=house", "-o", "requirements.txt")
    assert work.coral(*words).require(1).stderr == missing()
    make_library(house, "lens", "1.1")
    assert work.coral(*words).require(1).stderr == missing()
    make_library(house, "lens", tag="py3-none-win32")
    assert work.coral(*words).require(1).stderr == missing(found="py3-none-win32")
    assert not (work.directory / "requirements.txt").exists()


def test_a_differing_wheel(work: WorkingDirectory, house: Path) -> None:
    locked = load_lock(str(work.lock_path)).distribution("lens").digests["py3-none-any"]
    (house / LENS).unlink()
    make_library(house, "lens", requires="zoom")
    outcome = work.coral("export", "--format=pylock", "--wheels=house").require(3)
    found = outcome.stderr.partition("  found: ")[2].partition("\n")[0]
    assert outcome.stderr == (
        "error[digest-mismatch]: the wheel of `lens` 1.0 isn't the one that was locked\n"
        f"  expected: {locked}\n"
        f"  found: {found}\n"
        f"  where: {Path('house', LENS)}\n"
        "  hint: get the wheel from the source of the locked one, and find out who changed it\n"
        "nothing is exported\n"
    )
    assert found.startswith("t1:")
    assert found != locked
    assert outcome.stdout == ""


def end_it_early(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:100])


def lead_elsewhere(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("lens/../../evil.py", "")


def rewrite_module(wheel: Path) -> None:
    """Change a member and leave RECORD as it was."""
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, b"evil = 1\n" if name == "lens.py" else content)


def add_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("evil.py", "")


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a member that leads elsewhere": (
        lead_elsewhere,
        "the member `lens/../../evil.py` has an unsafe path",
    ),
    "a file that is cut off": (
        end_it_early,
        "the wheel isn't a ZIP file, is truncated, or has a comment or data after its end record",
    ),
    "a false RECORD": (rewrite_module, "the member `lens.py` doesn't match RECORD"),
    "a file that RECORD lacks": (add_module, "RECORD doesn't list the member `evil.py`"),
}


@pytest.mark.parametrize(
    ("words", "last"),
    [(("export", "--format=pylock"), "nothing is exported\n"), (("verify",), "")],
)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_wheel_in_the_place_of_the_locked_one(
    work: WorkingDirectory, house: Path, name: str, words: tuple[str, ...], last: str
) -> None:
    locked = load_lock(str(work.lock_path)).distribution("lens").digests["py3-none-any"]
    tamper, message = HOSTILE[name]
    tamper(house / LENS)
    outcome = work.coral(*words, "--wheels=house").require(3)
    assert outcome.stdout == ""
    assert outcome.stderr == (
        f"error[digest-mismatch]: the wheel of `lens` 1.0 isn't the one that was locked: {message}"
        "\n"
        f"  expected: {locked}\n"
        f"  where: {Path('house', LENS)}\n"
        "  hint: get the wheel from the source of the locked one, and find out who changed it\n"
        f"{last}"
    )


UNPINNED = (
    "warning[unpinned]: the lock has no digest of `lens` 1.0, so its wheel can't be verified\n"
    "  where: distributions.lens\n"
    "  hint: make sure that you trust the wheel, or lock it with its digest\n"
)


def test_an_unpinned_distribution(work: WorkingDirectory, house: Path) -> None:
    lock = load_lock(str(work.lock_path))
    unpinned = tuple(
        each.replace(digests={}) if each.name == "lens" else each for each in lock.distributions
    )
    pinned = export(work, "pylock")
    work.lock_path.write_text(write_lock(lock.replace(distributions=unpinned)))
    outcome = work.coral("export", "--format=pylock", "--wheels=house").require(0)
    assert (outcome.stdout, outcome.stderr) == (pinned, UNPINNED)
    held = work.coral("verify", "--wheels=house").require(0)
    assert held.stderr == (
        f"{UNPINNED}coral.lock holds: 1 plugin, 2 distributions, integrity full\n"
    )
    (house / LENS).unlink()
    for words in (("export", "--format=pylock"), ("verify",)):
        refused = work.coral(*words, "--wheels=house").require(1)
        assert refused.stdout == ""
        assert refused.stderr == (
            "error[distribution-missing]: the wheelhouse has no wheel of `lens` 1.0\n"
            "  where: distributions.lens\n"
            "  hint: add a wheel of that version to the wheelhouse\n"
        ) + ("nothing is exported\n" if words[0] == "export" else "")


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no such target": (
        ("--format=pylock", "--target=gat"),
        "error: the lock has no target `gat`\n"
        "  expected: none: it has no targets\n"
        "  hint: pass no target\n",
    ),
    "no lock": (
        ("--format=pylock", "--lock=absent.lock"),
        "error: there is no lock\n"
        "  where: absent.lock\n"
        "  hint: deploy the reviewed lock, or pass its path; `coral-runtime lock` writes a new "
        "one\n",
    ),
    "no bill of such a target": (
        ("--format=cyclonedx", "--target=gat"),
        "error: the lock has no target `gat`\n"
        "  expected: none: it has no targets\n"
        "  hint: pass no target\n",
    ),
    "no wheelhouse": (
        ("--format=pylock", "--wheels=absent"),
        "error: the wheelhouse can't be listed: No such file or directory\n"
        "  where: absent\n"
        "  hint: name a directory that holds wheels\n",
    ),
    "the lock itself": (
        ("--format=requirements", "-o", "house/../coral.lock"),
        "error: the lock isn't overwritten by what is made from it\n"
        "  where: house/../coral.lock\n"
        "  hint: write elsewhere with `-o FILE`\n",
    ),
    **{
        f"a pylock called {name}": (
            ("--format=pylock", "-o", name),
            f"error: installers don't take `{name}` for a pylock file\n"
            "  expected: `pylock.toml`, or `pylock.<name>.toml` with a name without dots\n"
            f"  found: `{name}`\n"
            "  hint: write to `pylock.toml`\n",
        )
        for name in ("lock.toml", "pylock..toml", "pylock.a.b.toml", "pylock", "Pylock.toml")
    },
    "an unwritable place": (
        ("--format=pylock", "-o", "absent/pylock.toml"),
        "error: `absent/pylock.toml` can't be written: No such file or directory; nothing was "
        "written\n"
        "  where: absent/pylock.toml\n"
        "  hint: name a file in a directory that exists\n",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported(work: WorkingDirectory, name: str) -> None:
    before = sorted(work.directory.iterdir()), work.lock_path.read_bytes()
    words, stderr = REFUSED[name]
    outcome = work.coral("export", "--wheels=house", *words).require(2)
    assert (outcome.stdout, outcome.stderr) == ("", stderr)
    assert (sorted(work.directory.iterdir()), work.lock_path.read_bytes()) == before


@pytest.mark.parametrize(
    ("form", "name"),
    [("requirements", "any.txt"), ("pylock", "pylock.edge.toml"), ("cyclonedx", "bom.json")],
)
def test_a_file_is_written(work: WorkingDirectory, form: str, name: str) -> None:
    (work.directory / "out").mkdir()
    words = ("export", "--format", form, "--wheels=house", "-o", f"out/{name}")
    outcome = work.coral(*words).require(0)
    assert outcome.stdout == ""
    assert outcome.stderr == f"wrote out/{name}: 2 distributions\n"
    text = (work.directory / "out" / name).read_text(encoding="utf-8")
    assert text == export(work, form).replace('"house/', '"../house/')


@pytest.mark.parametrize(
    ("form", "name", "text", "kind"),
    [
        ("requirements", "requirements.txt", "click==8.1.8\n", "a requirements file"),
        ("requirements", "notes.md", f"# Notes\n{HEADING}", "a requirements file"),
        ("requirements", "own.txt", f"{HEADING}mine==1.0\n", "a requirements file"),
        ("pylock", "pylock.toml", 'lock-version = "1.0"\ncreated-by = "pip"\npackages = []\n',
         "a pylock.toml"),
        ("cyclonedx", "bom.json", '{"bomFormat": "CycloneDX"}\n', "a bill of materials"),
        ("pylock", "pylock.notes.toml", '# created-by = "coral-lock"\n', "a pylock.toml"),
    ],
)  # fmt: skip
def test_what_was_not_exported_is_not_overwritten(
    work: WorkingDirectory, form: str, name: str, text: str, kind: str
) -> None:
    path = work.write(name, text)
    words = ("export", "--format", form, "--wheels=house", "-o", name)
    assert work.coral(*words).require(2).stderr == (
        f"error: `{name}` isn't {kind} that was exported, so it isn't overwritten\n"
        f"  where: {name}\n"
        "  hint: remove it first, or write elsewhere with `-o FILE`\n"
    )
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("form", "name"),
    [("requirements", "requirements.txt"), ("pylock", "pylock.toml"), ("cyclonedx", "bom.json")],
)
def test_what_was_exported_is_overwritten(work: WorkingDirectory, form: str, name: str) -> None:
    words = ("export", "--format", form, "--wheels=house", "-o", name)
    for _ in range(2):
        work.coral(*words).require(0)


def test_an_older_packaging_has_no_pylock(
    work: WorkingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "packaging.pylock", None)
    monkeypatch.setattr("packaging.__version__", "25.0")
    assert work.coral("export", "--format=pylock", "--wheels=house").require(2).stderr == (
        "error: the installed `packaging` can't write a pylock.toml\n"
        "  expected: packaging 26.0 or newer\n"
        "  found: packaging 25.0\n"
        "  hint: install `coral-lock[export]` into an environment of its own, or export with "
        "`--format requirements`\n"
    )
    export(work, "requirements")


@pytest.mark.parametrize("form", ["requirements", "pylock"])
def test_installers_need_the_wheels(work: WorkingDirectory, form: str) -> None:
    assert work.coral("export", "--format", form).require(2).stderr == (
        "error: the wheels are needed, as their SHA-256 isn't in the lock\n"
        "  expected: `--wheels DIR`\n"
        f"  hint: `coral-runtime export --format {form} --wheels DIR`\n"
    )


def test_a_bill_of_materials_without_wheels_and_with_them(work: WorkingDirectory) -> None:
    alone = work.coral("export", "--format=cyclonedx").require(0)
    assert (alone.stdout, alone.stderr) == (cyclonedx_text(load_lock(str(work.lock_path))), "")
    assert sha256(work, ZOOM) not in alone.stdout
    parts = {each["name"]: each for each in json.loads(export(work, "cyclonedx"))["components"]}
    for name, wheel in (("lens", LENS), ("zoom", ZOOM)):
        assert parts[name]["hashes"] == [{"alg": "SHA-256", "content": sha256(work, wheel)}]
    assert "hashes" not in parts["inference"]


def test_a_bill_of_materials_of_other_wheels(work: WorkingDirectory, house: Path) -> None:
    make_library(house, "lens", "1.0", requires="zoom")
    outcome = work.coral("export", "--format=cyclonedx", "--wheels=house").require(3)
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error[digest-mismatch]: the wheel of `lens` 1.0 isn't the")
    assert outcome.stderr.endswith("nothing is exported\n")
    work.coral("export", "--format=cyclonedx").require(0)


def test_a_bill_of_materials_of_versions_that_are_none(work: WorkingDirectory) -> None:
    lock = load_lock(str(work.lock_path))
    lens, zoom = lock.distributions
    odd = lock.replace(distributions=(lens.replace(version="1.0?checksum=x"), zoom))
    work.lock_path.write_text(write_lock(odd), encoding="utf-8")
    assert work.coral("export", "--format=cyclonedx").require(1).stderr == (
        "error[version-drift]: the lock's version of `lens` isn't valid\n"
        "  expected: a version (PEP 440)\n"
        '  found: "1.0?checksum=x"\n'
        "  hint: find out who wrote the lock, and re-lock\n"
        "nothing is exported\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="file names are always Unicode elsewhere")
def test_a_path_that_is_not_utf_8(work: WorkingDirectory, house: Path) -> None:
    odd = os.fsdecode(b"odd\xff")
    shutil.copytree(house, work.directory / odd)
    words = ("export", "--format=pylock", "--wheels", odd)
    assert work.coral(*words).require(2).stderr == (
        "error: a pylock.toml can't name a path that isn't UTF-8\n"
        f"  where: odd\\udcff/{LENS}\n"
        "  hint: write it into the directory that holds the wheels\n"
    )
    work.coral(*words, "-o", f"{odd}/pylock.toml").require(0)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return create_environment(tmp_path / "environment")


@pytest.mark.skipif(sys.platform != "linux", reason="the targets run Linux")
@pytest.mark.parametrize("tool", INSTALL)
def test_both_installers_understand_markers_with_hashes(
    tmp_path: Path, house: Path, environment: Environment, tool: str
) -> None:
    work = WorkingDirectory(directory=tmp_path)
    make_plugin(house, "zoom")
    make_plugin(house, "crop", tag=f"py3-none-linux_{THIS.architecture}")
    make_plugin(house, "thermal", tag="py3-none-linux_riscv64")
    targets = (
        f"--target=python={THIS.python},platform=linux_{machine}"
        for machine in (THIS.architecture, "riscv64")
    )
    work.locked("--wheels=house", *targets)
    text = export(work, "requirements")
    work.write("requirements.txt", text)
    assert f"crop==1.0 ; python_version == '{THIS.python}' and " in text
    source = ("--no-index", "--find-links=house", "--require-hashes", "-r", "requirements.txt")
    install = [word.format(python=environment.python) for word in INSTALL[tool]]
    done = run(
        environment, *install, *source, cwd=tmp_path, env_extra={"PIP_CONFIG_FILE": os.devnull}
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    installed = {path.name for path in environment.site_packages.glob("*.dist-info")}
    assert installed >= {"crop-1.0.dist-info", "zoom-1.0.dist-info"}
    assert "thermal-1.0.dist-info" not in installed
