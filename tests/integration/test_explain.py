"""`explain`: why a plugin is in the lock, at that version, or why it isn't."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from coral_lock.lockfile.text import write_lock
from tests.conftest import MakeDevice
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.locks import lock_of_targets, sample_lock
from tests.support.plugin_wheels import make_library, make_plugin
from tests.support.wheelhouse import THIS

CORE = "--core-version=0.0.4"
AGAIN = "run `coral-runtime lock` with the same descriptor and place\n"
LISTED = "not switched on, and `plugins.discover` is `listed`"
TARGETS = f"""\
targets:
  - {{name: gate, python: "{THIS.python}", platform: manylinux_2_17_x86_64}}
  - {{name: field, python: "3.10", platform: manylinux_2_31_aarch64}}
host: {{core: "0.0.4"}}
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    directory = tmp_path / "house"
    directory.mkdir()
    return directory


@pytest.fixture
def work(tmp_path: Path, house: Path) -> WorkingDirectory:
    """A working directory with plugins that fit and that don't, locked from a wheelhouse."""
    make_plugin(house, "zoom", "1.0", requires="lens>=1")
    make_plugin(house, "zoom", "2.0", requires="lens>=2")
    make_plugin(house, "zoom", "3.0b1")
    make_library(house, "lens", "1.0")
    make_library(house, "lens", "2.0")
    make_plugin(house, "crop")
    make_plugin(house, "future", min_core_version="9.0")
    made = WorkingDirectory(directory=tmp_path)
    made.locked("--wheels=house", CORE, "--set=patches.crop=false")
    return made


EXPLANATIONS: dict[str, tuple[tuple[str, ...], int, str, str]] = {
    "in the lock": (
        ("patches:zoom",),
        0,
        "patches:zoom is in coral.lock, from zoom 2.0\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           zoom 2.0, selected\n"
        "    entry point   zoom = zoom:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       zoom 3.0b1: pre-release\n"
        "    version       zoom 2.0: kept: it is in the lock\n"
        "    version       zoom 1.0: older than 2.0\n",
        "",
    ),
    "asked for": (
        ("patches:zoom", "--set=patches.zoom=true"),
        0,
        "patches:zoom is in coral.lock, from zoom 2.0\n"
        "    requested     --set patches.zoom=true\n"
        "    now           zoom 2.0, selected\n"
        "    entry point   zoom = zoom:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       zoom 3.0b1: pre-release\n"
        "    version       zoom 2.0: kept: it is in the lock\n"
        "    version       zoom 1.0: older than 2.0\n",
        "",
    ),
    "left out": (
        ("patches:future",),
        1,
        "patches:future is left out of coral.lock\n"
        "    left out      future: requires coral-inference >= 9.0, found 0.0.4\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           future 1.0, left out\n"
        "    entry point   future = future:spec\n"
        "    requires      core >= 9.0, inference any\n"
        "    compatible    no (coral-inference 0.0.4)\n"
        "    reason        requires coral-inference >= 9.0, found 0.0.4\n"
        "    source        static\n"
        "    version       future 1.0: requires coral-inference >= 9.0, found 0.0.4\n",
        "warning[incompatible]: `patches:future` of `future` 1.0 requires coral-inference >= 9.0, "
        "found 0.0.4, so it is left out\n"
        "  where: future:spec\n"
        "  hint: upgrade coral-inference to 9.0 or later, or take an older plugin\n",
    ),
    "switched off": (
        ("patches:crop", "--set=patches.crop=false"),
        1,
        "patches:crop is left out of coral.lock\n"
        "    left out      crop: switched off by the descriptor\n"
        "    switched off  --set patches.crop=false\n"
        "    now           crop 1.0, left out\n"
        "    entry point   crop = crop:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    reason        switched off by the descriptor\n"
        "    source        static\n"
        "    version       crop 1.0: switched off by the descriptor\n",
        "",
    ),
    "added since": (
        ("patches:crop",),
        1,
        "patches:crop is left out of coral.lock\n"
        "    left out      crop: switched off by the descriptor\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           crop 1.0, selected\n"
        "    entry point   crop = crop:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       crop 1.0: taken\n",
        f"hint: locking again would change this: {AGAIN}",
    ),
    "removed since": (
        ("patches:zoom", "--set=plugins.discover=listed"),
        0,
        "patches:zoom is in coral.lock, from zoom 2.0\n"
        "    requested     no; `plugins.discover` is `listed`\n"
        "    now           zoom 2.0, left out\n"
        "    entry point   zoom = zoom:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        f"    reason        {LISTED}\n"
        "    source        static\n"
        f"    version       zoom 3.0b1: {LISTED}\n"
        f"    version       zoom 2.0: {LISTED}\n"
        f"    version       zoom 1.0: {LISTED}\n",
        f"hint: locking again would change this: {AGAIN}",
    ),
    "a distribution of a plugin": (
        ("Zoom",),
        0,
        "zoom 2.0 is in coral.lock\n"
        "    plugin        patches:zoom\n"
        "    version       zoom 3.0b1: pre-release\n"
        "    version       zoom 2.0: kept: it is in the lock\n"
        "    version       zoom 1.0: older than 2.0\n",
        "",
    ),
    "a distribution that is required": (
        ("lens",),
        0,
        "lens 2.0 is in coral.lock\n"
        "    needed by     zoom → lens\n"
        "    version       lens 2.0: kept: it is in the lock\n"
        "    version       lens 1.0: `zoom` 2.0 requires `lens>=2`\n",
        "",
    ),
    "nearly a name": (
        ("patches:zooom",),
        1,
        "",
        "there is no plugin `patches:zooom`, and coral.lock contains nothing of that name\n"
        "  hint: did you mean `patches:zoom`?\n",
    ),
    "a name without its group": (
        ("crop",),
        1,
        "",
        "there is no plugin `crop`, and coral.lock contains nothing of that name\n"
        "  hint: did you mean `patches:crop`?\n",
    ),
    "nothing like it": (
        ("workflows:blur",),
        1,
        "",
        "there is no plugin `workflows:blur`, and coral.lock contains nothing of that name\n"
        "  hint: see `coral-runtime plugins list`\n",
    ),
    "no lock": (
        ("patches:crop", "--lock=absent.lock"),
        1,
        "there is no absent.lock; this is what locking would decide about patches:crop\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           crop 1.0, selected\n"
        "    entry point   crop = crop:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       crop 1.0: taken\n",
        "",
    ),
    "no lock and nothing like it": (
        ("lens", "--lock=absent.lock"),
        1,
        "",
        "there is no plugin `lens`\n  hint: see `coral-runtime plugins list`\n",
    ),
}


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_an_explanation(work: WorkingDirectory, name: str) -> None:
    words, code, stdout, stderr = EXPLANATIONS[name]
    before = work.lock_path.read_bytes()
    outcome = work.coral("explain", *words, "--wheels=house", CORE)
    assert (outcome.stdout, outcome.stderr, outcome.code) == (stdout, stderr, code)
    assert work.lock_path.read_bytes() == before


def test_a_version_that_no_longer_fits(work: WorkingDirectory, house: Path) -> None:
    (house / "zoom-2.0-py3-none-any.whl").unlink()
    outcome = work.coral("explain", "patches:zoom", "--wheels=house", CORE).require(0)
    assert outcome.stdout.splitlines()[:3] == [
        "patches:zoom is in coral.lock, from zoom 2.0",
        "    requested     no; `plugins.discover` is `all`",
        "    now           zoom 1.0, selected",
    ]
    assert outcome.stderr == (f"hint: locking again would change this: {AGAIN}")


def test_what_is_locked_and_no_longer_offered(work: WorkingDirectory, house: Path) -> None:
    for wheel in house.glob("zoom-*"):
        wheel.unlink()
    make_library(house, "zoom", "4.0")
    outcome = work.coral("explain", "patches:zoom", "--wheels=house", CORE).require(0)
    assert outcome.stdout == (
        "patches:zoom is in coral.lock, from zoom 2.0\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           no inspected distribution offers it\n"
        "    version       zoom 4.0: not needed\n"
    )
    assert outcome.stderr == f"hint: locking again would change this: {AGAIN}"


def test_without_a_solution_there_is_no_advice(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "extra", requires="lens<1")
    words = ("--wheels=house", CORE, "--set=patches.extra=true", "--set=patches.zoom=true")
    outcome = work.coral("explain", "patches:extra", *words).require(1)
    assert outcome.stdout.splitlines()[-1] == (
        "    version       extra 1.0: would be taken, but there is no solution"
    )
    assert outcome.stderr.startswith(
        "error[no-solution]: no version of `lens` meets all requirements: "
    )
    assert "locking again" not in outcome.stderr


def test_a_broken_wheel_may_be_what_is_looked_for(work: WorkingDirectory, house: Path) -> None:
    hostile = make_plugin(house, "blur")
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr("/evil.py", "")
    outcome = work.coral("explain", "patches:blur", "--wheels=house", CORE).require(1)
    assert outcome.stderr == (
        "error[wheel-malformed]: the member `/evil.py` has an absolute path\n"
        f"  where: {Path('house', hostile.name)}\n"
        "  hint: rebuild the wheel with a sound build backend, or get it from a source you trust\n"
        "there is no plugin `patches:blur`, and coral.lock contains nothing of that name\n"
        "  hint: see `coral-runtime plugins list`\n"
    )


def test_several_distributions_offer_it(work: WorkingDirectory, house: Path) -> None:
    with zipfile.ZipFile(house / "crop-1.0-py3-none-any.whl") as archive:
        source = archive.read("crop.py").decode()
    make_wheel(house, "rival", {"rival.py": source}, entry_point="rival:spec")
    work.write("runtime.yaml", "patches:\n  crop: {distribution: rival}\n")
    place = ("-c", "runtime.yaml", "--wheels=house", CORE)
    work.locked(*place)
    outcome = work.coral("explain", "patches:crop", *place).require(0)
    assert outcome.stdout == (
        "patches:crop is in coral.lock, from rival 1.0\n"
        "    left out      crop: the descriptor takes it from `rival`\n"
        "    requested     runtime.yaml:2:3\n"
        "    now           crop 1.0, left out\n"
        "    entry point   crop = crop:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    reason        the descriptor takes it from `rival`\n"
        "    source        static\n"
        "    now           rival 1.0, selected\n"
        "    entry point   rival = rival:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       crop 1.0: the descriptor takes it from `rival`\n"
        "    version       rival 1.0: kept: it is in the lock\n"
    )


@pytest.fixture
def fleet(tmp_path: Path, house: Path) -> WorkingDirectory:
    """A working directory with a lock for two targets that differ."""
    make_plugin(house, "zoom", requires="lens; platform_machine == 'aarch64'")
    make_library(house, "lens", tag="py3-none-manylinux_2_17_aarch64")
    make_plugin(house, "crop", "1.0", tag="py3-none-manylinux_2_17_aarch64")
    make_plugin(house, "crop", "1.1", tag="py3-none-manylinux_2_17_x86_64")
    made = WorkingDirectory(directory=tmp_path)
    made.write("runtime.yaml", TARGETS)
    made.locked("-c", "runtime.yaml", "--wheels=house")
    return made


def test_targets_that_differ(fleet: WorkingDirectory) -> None:
    place = ("-c", "runtime.yaml", "--wheels=house")
    assert fleet.coral("explain", "patches:crop", *place).require(0).stdout == (
        "patches:crop is in coral.lock for gate, from crop 1.1\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    for           gate\n"
        "    now           crop 1.1, selected\n"
        "    entry point   crop = crop:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       crop 1.1: kept: it is in the lock\n"
        "    version       crop 1.0: no compatible wheel for the target `gate`\n"
    )
    assert fleet.coral("explain", "lens", *place).require(0).stdout == (
        "lens 1.0 is in coral.lock\n"
        "    needed by     zoom → lens\n"
        "    for           field\n"
        "    version       lens 1.0: kept: it is in the lock\n"
    )
    zoom = fleet.coral("explain", "patches:zoom", *place).require(0)
    assert "    for  " not in zoom.stdout
    assert zoom.stderr == ""


def test_one_target_alone_is_looked_at(fleet: WorkingDirectory, house: Path) -> None:
    place = ("-c", "runtime.yaml", "--wheels=house", "--target", "field")
    outcome = fleet.coral("explain", "patches:crop", *place).require(0)
    assert outcome.stdout == (
        "patches:crop is in coral.lock for gate, from crop 1.1\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           no inspected distribution offers it\n"
        "    version       crop 1.1: kept: it is in the lock\n"
        "    version       crop 1.0: no compatible wheel for the target `gate`\n"
    )
    assert outcome.stderr == ""
    make_plugin(house, "crop", "1.2")
    again = fleet.coral("explain", "patches:crop", *place, "--lock=absent.lock").require(1)
    assert again.stdout == (
        "there is no absent.lock; this is what locking would decide about patches:crop\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           crop 1.2, selected\n"
        "    entry point   crop = crop:spec\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (coral-inference 0.0.4)\n"
        "    source        static\n"
        "    version       crop 1.2: taken\n"
        "    version       crop 1.1: no compatible wheel for the target `field`\n"
        "    version       crop 1.0: no compatible wheel for the target `gate`\n"
    )
    assert again.stderr == ""


def test_a_description_is_compared_with_the_part_of_its_name(fleet: WorkingDirectory) -> None:
    target = "--target=name=field,python=3.10,platform=manylinux_2_31_aarch64"
    words = ("-c", "runtime.yaml", "--wheels=house", target)
    outcome = fleet.coral("explain", "patches:crop", *words).require(0)
    assert outcome.stdout.splitlines()[:3] == [
        "patches:crop is in coral.lock for gate, from crop 1.1",
        "    requested     no; `plugins.discover` is `all`",
        "    now           crop 1.0, selected",
    ]
    assert outcome.stderr == (f"hint: locking again would change this: {AGAIN}")


def test_a_lock_for_other_targets_is_not_compared(fleet: WorkingDirectory) -> None:
    outcome = fleet.coral("explain", "patches:zoom", "--no-config", "--wheels=house", CORE)
    assert outcome.require(0).stderr == ""


def test_targets_that_leave_it_out_for_other_reasons(work: WorkingDirectory) -> None:
    work.lock_path.write_text(write_lock(lock_of_targets()))
    outcome = work.coral("explain", "patches:future", "--wheels=house", CORE).require(1)
    assert outcome.stdout.splitlines()[:6] == [
        "patches:future is left out of coral.lock",
        "    for           jetson",
        "    left out      future-plugin: requires core 9.0",
        "    for           server",
        "    left out      future-plugin: requires `backends:rknn`",
        "    requested     no; `plugins.discover` is `all`",
    ]
    assert "locking again" not in outcome.stderr


def test_a_lock_of_a_later_version_is_warned_of(work: WorkingDirectory) -> None:
    work.lock_path.write_text(write_lock(sample_lock().replace(lock_version="1.3")))
    outcome = work.coral("explain", "numpy", "--wheels=house").require(0)
    assert outcome.stderr == (
        "warning: `coral.lock` has the later format version 1.3: fields that format version 1.0 "
        "doesn't have are ignored\n"
    )
    assert outcome.stdout == "numpy 2.0.0 is in coral.lock\n    needed by     my-package → numpy\n"


@pytest.mark.parametrize("text", ["", "{"])
def test_a_lock_that_cannot_be_read(work: WorkingDirectory, text: str) -> None:
    work.lock_path.write_text(text)
    outcome = work.coral("explain", "patches:zoom", "--wheels=house").require(2)
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: the lock ")


def test_a_device_explains_what_is_installed(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "dynamic-spec", "coral-inference==0.0.4")
    machine.locked("--inference-version=0.58.0")
    words = ("--inference-version=0.58.0",)
    assert machine.coral("explain", "patches:camera_stabilizer", *words).require(0).stdout == (
        "patches:camera_stabilizer is in coral.lock, from my-package 1.0.0\n"
        "    requested     no; `plugins.discover` is `all`\n"
        "    now           my-package 1.0.0, selected\n"
        "    entry point   camera_stabilizer = my_package.coral_plugins:register_"
        "camera_stabilizer\n"
        "    requires      core >= 0.0.4, inference >= 0.9.0\n"
        "    compatible    yes (coral-inference 0.0.4, "
        "inference 0.58.0)\n"
        "    source        static\n"
    )
    core = machine.coral("explain", "coral-inference", *words).require(0)
    assert core.stdout == "coral-inference 0.0.4 is in coral.lock\n    host          core\n"


def test_a_plugin_whose_wheels_fit_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    make_plugin(tmp_path / "house", "crop", tag="py3-none-win32")
    outcome = WorkingDirectory(directory=tmp_path).coral(
        "explain", "patches:crop", "--wheels=house", "--target=python=3.11,platform=linux_x86_64"
    )
    assert outcome.require(1).stdout.startswith(
        "there is no coral.lock; this is what locking would decide about patches:crop\n"
    )
    assert "warning[wrong-platform]: no wheel of `crop`" in outcome.stderr
