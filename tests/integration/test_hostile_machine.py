"""What attackers do around a locked plugin: shadows, intruders, claims and endless files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel

SPEC = (
    "from coral_inference.runtime.plugins import PluginSpec\n"
    "{imports}"
    "def register():\n"
    "    return PluginSpec(name={name!r}, activate=lambda config: True)\n"
)
EVIL = "import sys\nprint('EVIL CODE RAN', file=sys.stderr)\n"


def install(machine: Device, *wheels: Path) -> None:
    install_with_uv(machine.environment, *wheels, wheelhouse=wheels[0].parent)


def plugin(name: str = "p", imports: str = "") -> str:
    return SPEC.format(name=name, imports=imports)


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device()


@pytest.fixture
def plain(machine: Device, tmp_path: Path) -> Device:
    """A machine with a plugin of which nothing is special, locked."""
    install(
        machine, make_wheel(tmp_path, "p", {"p/__init__.py": plugin()}, entry_point="p:register")
    )
    machine.locked_once(of="p")
    return machine


def _harmless(machine: Device, slug: str, *, is_refused: bool = False, path: str = "") -> None:
    """Insist that verification names the slug, and that nothing hostile runs in a start.

    Where imports come out of lists, the start needn't notice.
    """
    env = {"PYTHONPATH": path} if path else {}
    outcomes = [machine.coral("verify", env=env)]
    assert f"error[{slug}]" in outcomes[0].stderr
    for level in ("imports", "full"):
        outcomes.append(machine.coral("init", "--locked", "--integrity", level, env=env))
        assert (outcomes[-1].code != 0) is is_refused, outcomes[-1].stderr
    for outcome in outcomes:
        assert "EVIL" not in outcome.stderr


@pytest.mark.parametrize("layout", ["acme", "aa/bb", "one/two/three"])
def test_a_plugin_in_a_namespace_package(machine: Device, tmp_path: Path, layout: str) -> None:
    module = f"{layout.replace('/', '.')}.vision.plug"
    files = {f"{layout}/vision/__init__.py": "", f"{layout}/vision/plug.py": plugin()}
    install(machine, make_wheel(tmp_path, "vision", files, entry_point=f"{module}:register"))
    machine.locked()
    machine.coral("init", "--locked").require(0)
    intruder = machine.site_packages / layout.split("/")[0] / "__init__.py"
    intruder.write_text(EVIL)
    _harmless(machine, "module-shadowed")


def test_a_bare_module_in_a_namespace_package(machine: Device, tmp_path: Path) -> None:
    files = {"nz/one.py": plugin(imports="import nz.two\n"), "nz/two.py": ""}
    install(machine, make_wheel(tmp_path, "nz", files, entry_point="nz.one:register"))
    machine.locked()
    machine.coral("init", "--locked").require(0)
    shadow = tmp_path / "shadow" / "nz"
    shadow.mkdir(parents=True)
    (shadow / "two.py").write_text(EVIL)
    _harmless(machine, "module-shadowed", path=str(shadow.parent))


def test_a_claim_in_another_record_excuses_nothing_in_a_regular_package(
    machine: Device, tmp_path: Path
) -> None:
    imports = "try:\n    from optpkg import _speedups\nexcept ImportError:\n    pass\n"
    files = {"optpkg/__init__.py": "", "optpkg/plug.py": plugin(imports=imports)}
    install(machine, make_wheel(tmp_path, "opt", files, entry_point="optpkg.plug:register"))
    machine.locked()
    evil = {"optpkg/_speedups/__init__.py": EVIL}
    install(machine, make_wheel(tmp_path, "claimant", evil))
    _harmless(machine, "unlocked-file")
    assert "error[unlocked-file]" in machine.coral("lock").require(1).stderr


def test_a_shared_namespace_is_no_intrusion(machine: Device, tmp_path: Path) -> None:
    files = {"shared/one/__init__.py": plugin()}
    install(machine, make_wheel(tmp_path, "one", files, entry_point="shared.one:register"))
    machine.locked()
    install(machine, make_wheel(tmp_path, "two", {"shared/two/__init__.py": ""}))
    machine.coral("verify").require(0)
    machine.coral("lock", "--check").require(0)


@pytest.mark.parametrize("place", ["site-packages", "PYTHONPATH"])
def test_a_locked_dependency_is_shadowed(machine: Device, tmp_path: Path, place: str) -> None:
    files = {"dep_plug/__init__.py": plugin(imports="import closedep\n")}
    install(
        machine,
        make_wheel(tmp_path, "closedep", {"closedep.py": ""}),
        make_wheel(
            tmp_path, "dep-plug", files, entry_point="dep_plug:register", requires="closedep"
        ),
    )
    machine.locked()
    machine.coral("init", "--locked").require(0)
    root = machine.site_packages if place == "site-packages" else tmp_path / "shadow"
    (root / "closedep").mkdir(parents=True)
    (root / "closedep" / "__init__.py").write_text(EVIL)
    path = "" if place == "site-packages" else str(root)
    _harmless(machine, "module-shadowed", path=path)


def test_a_host_that_nobody_locked(plain: Device, tmp_path: Path) -> None:
    evil = {
        "coral_inference/__init__.py": EVIL,
        "coral_inference/runtime/__init__.py": "",
        "coral_inference/runtime/plugins.py": "from coral_lock import PluginSpec\n",
    }
    install(plain, make_wheel(tmp_path, "evil-host", evil))
    _harmless(plain, "host-drift", is_refused=True)


def test_scripts_of_wheels_shadow_nothing(machine: Device, tmp_path: Path) -> None:
    files = {"p/__init__.py": plugin()}
    for name in ("hashlib", "json", "click", "yaml", "base64"):
        files[f"p-1.0.data/scripts/{name}.py"] = EVIL
    install(machine, make_wheel(tmp_path, "p", files, entry_point="p:register"))
    assert (machine.environment.bin / "hashlib.py").exists()
    machine.write("runtime.yaml", "platform: onnx\n")
    for words, code in (
        (("plugins", "list"), 0),
        (("lock", "-c", "runtime.yaml"), 1),
        (("verify",), 2),
        (("init", "--locked"), 2),
        (("--version",), 0),
    ):
        assert "EVIL" not in machine.coral(*words).require(code).stderr


def test_a_working_directory_shadows_nothing(machine: Device, tmp_path: Path) -> None:
    machine.locked_once()
    for name in ("click", "json", "yaml"):
        machine.write(f"{name}.py", EVIL)
    outcome = machine.run("python", "-m", "coral_lock", "diff", "coral.lock", "coral.lock")
    assert "EVIL" not in outcome.require(0).stderr


def test_optional_modules_of_the_standard_library_are_not_a_way_in(
    machine: Device, tmp_path: Path
) -> None:
    files = {"p/__init__.py": plugin(), "org/python/core.py": EVIL}
    for name in ("msvcrt", "_winapi", "winreg", "nt", "vms_lib"):
        files[f"{name}.py"] = EVIL
    install(
        machine,
        make_wheel(
            tmp_path, "p", files, entry_point="p:register", requires="click; os_name == 'posix'"
        ),
    )
    accepting = "distributions: {p: {accept: [foreign-file]}}\n"
    for descriptor, code in (("{}\n", 1), (accepting, 0)):
        machine.write("runtime.yaml", descriptor)
        assert "EVIL" not in machine.coral("plugins", "list").require(0).stderr
        assert "EVIL" not in machine.coral("lock").require(code).stderr
    for words in (("lock", "--check"), ("verify",), ("--version",)):
        assert "EVIL" not in machine.coral(*words).require(0).stderr


def test_source_files_in_a_bytecode_cache_are_refused(machine: Device, tmp_path: Path) -> None:
    files = {
        "pc/__init__.py": "",
        "pc/plug.py": plugin(imports="from pc.__pycache__ import impl\n"),
        "pc/__pycache__/impl.py": "",
    }
    install(machine, make_wheel(tmp_path, "pc", files, entry_point="pc.plug:register"))
    outcome = machine.coral("lock").require(1)
    assert "error[unusable-record]: RECORD lists `pc/__pycache__/impl.py`" in outcome.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[[coral_inference.patches]]\nevil = evil:z\n",
        "# x\u2028[coral_inference.patches]\u2028evil = evil:z\n",
        "[coral_inference.patches]\r;evil = evil:z\r",
    ],
)
def test_entry_points_are_read_as_the_standard_library_reads_them(
    machine: Device, text: str
) -> None:
    machine.locked_once()
    dist_info = machine.site_packages / "evil-1.DIST-INFO"
    dist_info.mkdir()
    (dist_info / "METADATA").write_text("Name: evil\nVersion: 1\n")
    (dist_info / "entry_points.txt").write_text(text)
    assert "error[unlocked-plugin]: `evil` declares plugins" in (
        machine.coral("verify").require(1).stderr
    )


def test_entry_points_that_were_added_to_a_locked_requirement(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0")
    machine.write("runtime.yaml", "program: {requires: [pyyaml]}\n")
    machine.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    (metadata,) = machine.site_packages.glob("pyyaml-*.dist-info")
    (metadata / "entry_points.txt").write_text("[coral_inference.patches]\nevil = evil:z\n")
    assert (
        "error[unlocked-plugin]: `pyyaml` declares plugins, and the lock names it as one without "
        f"any\n  where: {metadata}\n  hint: reinstall `pyyaml` from a wheel you trust, or run "
        "`coral-runtime lock` and have it reviewed\n"
    ) in machine.coral("init", "--locked").require(1).stderr


HOSTILE_FILES = {
    "RECORD with NUL": ("RECORD", "p/a\0b.py,,\n"),
    "RECORD with a huge field": ("RECORD", '"' + "a" * 200_000 + '",,\n'),
    "METADATA with endless continuation": (
        "METADATA",
        "Name: p\nVersion: 1.0\nSummary: x\n" + " y\n" * 200_000,
    ),
    "a marker that cannot be compared": (
        "METADATA",
        "Name: p\nVersion: 1.0\nRequires-Dist: click; os_name ~= 'x'\n",
    ),
    "a marker that is nested too deep": (
        "METADATA",
        f"Name: p\nVersion: 1.0\nRequires-Dist: click; {'(' * 3000}os_name{')' * 3000}\n",
    ),
    "a version of thousands of digits": (
        "METADATA",
        f"Name: p\nVersion: 1.0\nRequires-Dist: click>={'1' * 5000}\n",
    ),
}


@pytest.mark.parametrize("name", HOSTILE_FILES)
def test_hostile_metadata_is_an_answer_and_not_an_accident(plain: Device, name: str) -> None:
    file, text = HOSTILE_FILES[name]
    (plain.site_packages / "p-1.0.dist-info" / file).write_text(text)
    for words in (("lock",), ("verify",), ("init", "--locked"), ("plugins", "list")):
        outcome = plain.coral(*words)
        assert outcome.code in (0, 1, 3) if words[0] == "plugins" else outcome.code in (1, 3)
        assert "internal error" not in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_a_directory_that_is_nested_too_deep(plain: Device) -> None:
    directory = os.open(plain.site_packages / "p", os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    assert "error[unlocked-file]" in plain.coral("verify").require(3).stderr
    subprocess.run(("rm", "-rf", plain.site_packages / "p"), check=True)


def test_a_file_without_end_is_not_read_to_its_end(plain: Device) -> None:
    os.truncate(plain.site_packages / "p" / "__init__.py", 500 << 30)
    assert "error[digest-mismatch]: `p/__init__.py` of `p`" in (
        plain.coral("verify").require(3).stderr
    )


def test_a_plugin_with_a_number_of_thousands_of_digits(machine: Device, tmp_path: Path) -> None:
    source = plugin().replace("activate=", f"description=0x{'F' * 6000}, activate=")
    install(machine, make_wheel(tmp_path, "p", {"p/__init__.py": source}, entry_point="p:register"))
    assert "error[plugin-broken]" in machine.coral("plugins", "list").require(1).stderr


def test_a_spec_that_is_built_from_a_set_is_the_same_at_every_probe(
    machine: Device, tmp_path: Path
) -> None:
    source = plugin().replace(
        "activate=", "description=','.join({'alpha', 'beta', 'gamma', 'delta'}), activate="
    )
    install(machine, make_wheel(tmp_path, "p", {"p/__init__.py": source}, entry_point="p:register"))
    machine.locked()
    for _ in range(3):
        machine.coral("lock", "--check").require(0)


@pytest.mark.parametrize("target", ["coral.lock", "README.md"])
def test_a_report_overwrites_nothing_but_a_report(machine: Device, target: str) -> None:
    machine.locked_once()
    if target == "README.md":
        machine.write(target, "# mine\n")
    before = (machine.directory / target).read_bytes()
    outcome = machine.coral("init", "--locked", "--report", target).require(2)
    assert f"error: `{target}` isn't a report, so it isn't overwritten" in outcome.stderr
    assert (machine.directory / target).read_bytes() == before


def test_a_report_to_a_device_leaves_the_device(machine: Device) -> None:
    machine.locked_once()
    pipe = machine.directory / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(("cat", pipe), stdout=subprocess.PIPE) as reader:
        outcome = machine.coral("init", "--locked", "--report", pipe).require(0)
        assert reader.communicate()[0].decode() == outcome.stdout
    assert pipe.is_fifo()


def test_a_report_that_cannot_be_written_is_told_before_anything_runs(machine: Device) -> None:
    machine.locked_once()
    outcome = machine.coral("init", "--locked", "--report", "absent/report.json").require(2)
    assert "error: `absent/report.json` can't be written: No such file" in outcome.stderr
    assert "started" not in outcome.stderr


def test_secrets_are_not_repeated_in_hints(device: MakeDevice) -> None:
    machine = device()
    machine.locked_once()
    machine.install("acme-object")
    outcome = machine.coral("lock", "--check", "--set", "services.db.password=hunter2").require(1)
    assert "hunter2" not in outcome.stdout + outcome.stderr
    assert "hint: run `coral-runtime lock --set 'services.db.password=…'`" in outcome.stderr


def test_output_is_utf8_in_any_locale(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "coral-inference==0.0.4", "inference==0.58.0")
    machine.locked_once()
    machine.install("my-package==1.1.0")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    outcome = machine.coral("lock", "--check", env=env).require(1)
    assert "1.0.0 → 1.1.0" in outcome.stdout


def test_a_program_that_is_not_there_is_told_before_anything_runs(machine: Device) -> None:
    machine.locked_once()
    outcome = machine.coral("run", "--locked", "--", "-m", "nosuchmodule").require(127)
    assert "error: there is no module `nosuchmodule`" in outcome.stderr
    assert "started" not in outcome.stderr


def test_a_closed_stderr_does_not_mix_plugins_into_the_report(device: MakeDevice) -> None:
    machine = device("prints-stdout", "coral-inference==0.0.5.dev1", "inference==0.58.0")
    machine.locked_once()
    script = machine.write("start.sh", '"$1" init --locked 2>&-\n')
    finished = subprocess.run(
        ("sh", script, machine.environment.bin / "coral-runtime"),
        cwd=machine.directory,
        env=machine.variables(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.startswith('{\n  "report_version"')


def test_uninstalled_files_can_be_removed_for_good(plain: Device) -> None:
    shutil.rmtree(plain.site_packages / "p-1.0.dist-info")
    outcome = plain.coral("init", "--locked").require(1)
    assert "error[distribution-missing]: `p` isn't installed" in outcome.stderr
