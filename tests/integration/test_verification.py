"""What happens to a machine after it was locked, and what verification says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device

SOURCE = "my_package/coral_plugins.py"
PLUGINS = ("my-package==1.0.0", "acme-vision")


def _edit_source(device: Device) -> None:
    path = device.site_packages / SOURCE
    path.write_text(path.read_text().replace("return True", "return  True"))


def _edit_source_and_record(device: Device) -> None:
    _edit_source(device)
    record = device.site_packages / "my_package-1.0.0.dist-info" / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(f"{SOURCE},,\n" if SOURCE in line else line for line in lines))


def _remove_source(device: Device) -> None:
    (device.site_packages / SOURCE).unlink()


def _remove_from_record(device: Device) -> None:
    record = device.site_packages / "my_package-1.0.0.dist-info" / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if SOURCE not in line))


def _add_file(device: Device) -> None:
    (device.site_packages / "my_package" / "extra.py").write_text("")


def _add_linked_directory(device: Device) -> None:
    target = device.directory / "elsewhere"
    target.mkdir()
    (device.site_packages / "my_package" / "link").symlink_to(target)


def _add_file_to_dist_info(device: Device) -> None:
    (device.site_packages / "my_package-1.0.0.dist-info" / "notes.txt").write_text("")


def _shadow_by_package(device: Device) -> None:
    shadow = device.site_packages / "my_package" / "coral_plugins"
    shadow.mkdir()
    (shadow / "__init__.py").write_text("raise SystemExit('shadow ran')")


def _uninstall(device: Device) -> None:
    for path in device.site_packages.glob("my_package*"):
        shutil.rmtree(path)


def _edit_source_and_version(device: Device) -> None:
    _edit_source(device)
    metadata = device.site_packages / "my_package-1.0.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0.0", "Version: 1.0.1"))


def _edit_source_and_tag(device: Device) -> None:
    _edit_source(device)
    wheel = device.site_packages / "my_package-1.0.0.dist-info" / "WHEEL"
    wheel.write_text(wheel.read_text() + "Tag: py2-none-any\n")


def _remove_record(device: Device) -> None:
    _edit_source(device)
    (device.site_packages / "my_package-1.0.0.dist-info" / "RECORD").unlink()


def _upgrade(device: Device) -> None:
    device.install("my-package==1.1.0")


def _install_twice(device: Device) -> None:
    original = device.site_packages / "my_package-1.0.0.dist-info"
    shutil.copytree(original, device.site_packages / "My.Package-0.9.dist-info")


def _install_unlocked(device: Device) -> None:
    device.install("acme-object")


def _break_metadata(device: Device) -> None:
    (device.site_packages / "my_package-1.0.0.dist-info" / "METADATA").write_text("Nonsense\n")


def _replace_record_by_pipe(device: Device) -> None:
    import os

    record = device.site_packages / "my_package-1.0.0.dist-info" / "RECORD"
    record.unlink()
    os.mkfifo(record)


DEVIATIONS: list[tuple[Callable[[Device], None], int, str, str]] = [
    (
        _edit_source,
        3,
        "digest-mismatch",
        f"`{SOURCE}` of `my-package` isn't the file that was locked",
    ),
    (
        _edit_source_and_record,
        3,
        "digest-mismatch",
        "`my-package` isn't what was locked, and its RECORD hides which file changed",
    ),
    (_remove_source, 3, "file-missing", f"`{SOURCE}` of `my-package` is missing"),
    (
        _remove_from_record,
        3,
        "digest-mismatch",
        "`my-package` isn't what was locked, and its RECORD hides which file changed",
    ),
    (
        _edit_source_and_version,
        3,
        "digest-mismatch",
        f"`{SOURCE}` of `my-package` isn't the file that was locked",
    ),
    (
        _edit_source_and_tag,
        3,
        "digest-mismatch",
        f"`{SOURCE}` of `my-package` isn't the file that was locked",
    ),
    (
        _remove_record,
        3,
        "unusable-record",
        "`my-package`: RECORD is absent or doesn't list the distribution's own files",
    ),
    (_uninstall, 1, "distribution-missing", "`my-package` isn't installed"),
    (_upgrade, 1, "version-drift", "`my-package` has another version than the lock"),
    (_install_twice, 1, "duplicate-distribution", "`my-package` is installed 2 times"),
    (
        _install_unlocked,
        1,
        "unlocked-plugin",
        "`acme-object` declares plugins, and the lock doesn't name it",
    ),
    (_break_metadata, 1, "plugin-broken", "`my-package`: METADATA states no name and version"),
    (
        _replace_record_by_pipe,
        1,
        "plugin-broken",
        "`my-package`: `RECORD` can't be read: not a regular file",
    ),
]


STRAYS: list[tuple[Callable[[Device], None], int, str, str]] = [
    (
        _add_file,
        3,
        "unlocked-file",
        "unexpected file in a directory of `my-package`: `my_package/extra.py`",
    ),
    (
        _add_linked_directory,
        3,
        "unlocked-file",
        "unexpected file in a directory of `my-package`: `my_package/link`",
    ),
    (
        _add_file_to_dist_info,
        3,
        "unlocked-file",
        "unexpected file in a directory of `my-package`: `my_package-1.0.0.dist-info/notes.txt`",
    ),
    (
        _shadow_by_package,
        3,
        "module-shadowed",
        "another file than the locked one would be imported as `my_package.coral_plugins`",
    ),
]


@pytest.mark.parametrize(
    ("deviate", "code", "slug", "summary"),
    STRAYS,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_nobody_locked_is_reported_and_does_not_run(
    device: MakeDevice, deviate: Callable[[Device], None], code: int, slug: str, summary: str
) -> None:
    machine = device(*PLUGINS)
    machine.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    deviate(machine)
    verified = machine.coral("verify", "--output-format", "json").require(code).json()
    assert (slug, summary) in [(f["code"], f["summary"]) for f in verified["findings"]]
    report = machine.coral("init", "--locked").require(0).json()
    assert [f["code"] for f in report["findings"]] == ["host-unverified"] * 2


@pytest.mark.parametrize(
    ("deviate", "code", "slug", "summary"),
    DEVIATIONS,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_deviation_is_found_and_nothing_runs(
    device: MakeDevice, deviate: Callable[[Device], None], code: int, slug: str, summary: str
) -> None:
    machine = device(*PLUGINS)
    machine.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    deviate(machine)

    verified = machine.coral("verify", "--output-format", "json").require(code).json()
    assert (slug, summary) in [(f["code"], f["summary"]) for f in verified["findings"]]
    assert verified["holds"] is False

    report = machine.coral("init", "--locked").require(code).json()
    assert (slug, summary) in [(f["code"], f["summary"]) for f in report["findings"]]
    assert report["outcome"] == "refused"
    assert {plugin["status"] for plugin in report["plugins"]} == {"not-run"}
    assert report["state"]["plugins_loaded"] == {}


def test_every_deviation_is_reported_not_only_the_first(device: MakeDevice) -> None:
    machine = device(*PLUGINS, "coral-inference==0.0.4", "inference==0.58.0")
    machine.locked_once()
    machine.coral("verify").require(0)
    _edit_source(machine)
    (machine.site_packages / "acme_vision" / "extra.py").write_text("")
    machine.install("acme-object", "coral-inference==0.0.3")
    outcome = machine.coral("verify", "--output-format", "json").require(3)
    assert [(f["code"], f["subject"]) for f in outcome.json()["findings"]] == [
        ("unlocked-plugin", "acme-object"),
        ("unlocked-file", "acme-vision"),
        ("host-drift", "coral-inference"),
        ("digest-mismatch", "my-package"),
    ]


@pytest.fixture
def hosted(device: MakeDevice) -> Device:
    """A locked device with hosts and one plugin."""
    machine = device("my-package==1.0.0", "coral-inference==0.0.4", "inference==0.58.0")
    machine.locked_once()
    return machine


def _findings(outcome: Any) -> list[tuple[str, str, str, str]]:
    return [(f["code"], f["subject"], f["expected"], f["found"]) for f in outcome["findings"]]


def test_a_changed_host_is_drift(hosted: Device) -> None:
    hosted.install("coral-inference==0.0.5.dev1")
    report = hosted.coral("init", "--locked").require(1).json()
    assert _findings(report) == [
        ("host-drift", "coral-inference", "coral-inference 0.0.4", "coral-inference 0.0.5.dev1")
    ]


def test_an_absent_host_is_drift(hosted: Device) -> None:
    for path in hosted.site_packages.glob("inference*"):
        shutil.rmtree(path)
    report = hosted.coral("init", "--locked").require(1).json()
    assert _findings(report) == [("host-drift", "inference", "inference 0.58.0", "none")]


def test_a_host_under_another_of_its_names_is_drift(hosted: Device) -> None:
    for path in hosted.site_packages.glob("inference*"):
        shutil.rmtree(path)
    hosted.install("inference-gpu")
    report = hosted.coral("init", "--locked").require(1).json()
    assert _findings(report) == [
        ("host-drift", "inference", "inference 0.58.0", "inference-gpu 0.58.0")
    ]


def test_an_editable_install_in_place_of_a_locked_wheel(hosted: Device, tmp_path: Path) -> None:
    _install_editable(hosted, tmp_path)
    report = hosted.coral("init", "--locked").require(1).json()
    assert ("editable-install", "my-package") in [
        (f["code"], f["subject"]) for f in report["findings"]
    ]


def _install_editable(machine: Device, tmp_path: Path) -> None:
    """Install my-package as an editable install looks: a `.pth`, and PEP 610's statement."""
    source = tmp_path / "source"
    shutil.copytree(machine.site_packages / "my_package", source / "my_package")
    shutil.rmtree(machine.site_packages / "my_package")
    (machine.site_packages / "_my_package.pth").write_text(f"{source}\n")
    dist_info = machine.site_packages / "my_package-1.0.0.dist-info"
    (dist_info / "direct_url.json").write_text(
        json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})
    )
    names = ["_my_package.pth", *(f"{dist_info.name}/{p.name}" for p in dist_info.iterdir())]
    (dist_info / "RECORD").write_text("".join(f"{name},,\n" for name in names))


def test_an_editable_install_is_locked_only_when_allowed(hosted: Device, tmp_path: Path) -> None:
    _install_editable(hosted, tmp_path)
    before = hosted.lock_path.read_text()
    refused = hosted.coral("lock").require(1)
    assert "error[editable-install]: `my-package` is an editable install" in refused.stderr
    assert hosted.lock_path.read_text() == before
    text = hosted.locked("--allow-editable")
    assert json.loads(text)["distributions"]["my-package"]["digests"] == {}
    for level in ("imports", "full"):
        report = hosted.coral("init", "--locked", "--integrity", level).require(1).json()
        assert [(f["code"], f["severity"]) for f in report["findings"]] == [
            ("unpinned", "error"),
            # The editable install is a `.pth`.
            ("unlocked-startup", "warning"),
        ]
    report = hosted.coral("init", "--locked", "--integrity", "metadata").require(0).json()
    assert [(f["code"], f["severity"]) for f in report["findings"]] == [
        ("unlocked-startup", "warning"),
        ("unpinned", "warning"),
    ]
    assert report["state"]["plugins_loaded"] == {"patches:camera_stabilizer": True}


def test_integrity_levels_differ_in_whose_bytes_are_hashed(device: MakeDevice) -> None:
    machine = device("native-plugin", "coral-inference==0.0.4", "inference==0.58.0")
    machine.locked_once()
    (machine.site_packages / "markupsafe" / "_native.py").write_text("raise SystemExit\n")
    assert machine.coral("verify", "--integrity", "metadata").require(0)
    assert machine.coral("verify", "--integrity", "imports").require(0)
    full = machine.coral("verify", "--integrity", "full").require(3)
    assert "error[digest-mismatch]: `markupsafe/_native.py` of `markupsafe`" in full.stderr
    assert machine.coral("init", "--locked", "--integrity", "full").require(3)


def test_a_module_earlier_on_the_path_shadows(hosted: Device, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow" / "my_package"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise SystemExit('shadow ran')")
    (shadow / "coral_plugins.py").write_text("raise SystemExit('shadow ran')")
    env = {"PYTHONPATH": str(shadow.parent)}
    outcome = hosted.coral("verify", "--output-format", "json", env=env).require(3)
    assert {f["code"] for f in outcome.json()["findings"]} == {"module-shadowed"}
    hosted.coral("init", "--locked", "--integrity", "metadata", env=env).require(3)
    assert hosted.coral("init", "--locked", env=env).require(0).json()["findings"] == []


def test_a_forged_pycache_never_runs(hosted: Device) -> None:
    source = hosted.site_packages / SOURCE
    forge = hosted.write(
        "forge.py",
        "import importlib.util, marshal, os, sys\n"
        "from importlib._bootstrap_external import _code_to_timestamp_pyc\n"
        "source = sys.argv[1]\n"
        "stat = os.stat(source)\n"
        "code = compile(\"print('forged code ran')\", source, 'exec')\n"
        "target = importlib.util.cache_from_source(source)\n"
        "os.makedirs(os.path.dirname(target), exist_ok=True)\n"
        "open(target, 'wb').write(\n"
        "    _code_to_timestamp_pyc(code, int(stat.st_mtime), stat.st_size))\n",
    )
    hosted.run("python", forge, source).require(0)
    plain = hosted.run("python", "-c", "import my_package.coral_plugins").require(0)
    assert "forged code ran" in plain.stdout
    for _ in range(2):
        outcome = hosted.coral("init", "--locked").require(0)
        assert "forged code ran" not in outcome.stdout + outcome.stderr


def test_a_locked_distribution_in_a_later_path_entry_counts_once(hosted: Device) -> None:
    link = hosted.directory / "linked"
    link.symlink_to(hosted.site_packages)
    hosted.coral("verify", env={"PYTHONPATH": str(link)}).require(0)
