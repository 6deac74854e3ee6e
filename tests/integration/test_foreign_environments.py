"""Other interpreters' environments, locked and verified from outside as from inside."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import coral_lock
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.text import write_lock
from coral_lock.probe.interpreter import ask_interpreter
from tests.support.environments import (
    Environment,
    create_environment,
    install_with_uv,
)
from tests.support.foreign import (
    OWN_LIBRARIES,
    PLUGIN_SOURCE,
    inside,
    lock_from_outside,
)
from tests.support.handmade_wheels import make_wheel

LOCK_INSIDE = """
from coral_lock.descriptor.load import load_descriptor
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.text import write_lock
from coral_lock.locking.resolution import resolve, survey
descriptor = load_descriptor(None, settings=["host.inference=0.58.0"])
lock, _ = resolve(survey(EnvironmentInventory(), descriptor))
sys.stdout.write(write_lock(lock))
"""

VERIFY_INSIDE = """
import json
import coral_lock
findings = coral_lock.verify(sys.argv[1])
print(json.dumps([finding.to_dict() for finding in findings]))
"""


def test_a_lock_from_outside_is_the_one_from_inside(environment: Environment) -> None:
    asked = ask_interpreter(str(environment.root))
    text = write_lock(lock_from_outside(asked))
    assert text == inside(environment, LOCK_INSIDE)
    assert json.loads(text)["host"]["python"] == asked.machine.language_version
    assert "closure-a" not in json.loads(text)["distributions"]


def edit_source(environment: Environment) -> None:
    source = environment.site_packages / PLUGIN_SOURCE
    source.write_text(source.read_text() + "\n")


def remove_source(environment: Environment) -> None:
    (environment.site_packages / PLUGIN_SOURCE).unlink()


def add_file(environment: Environment) -> None:
    (environment.site_packages / "my_package" / "extra.py").write_text("")


def uninstall(environment: Environment) -> None:
    for path in environment.site_packages.glob("my_package*"):
        shutil.rmtree(path)


def install_twice(environment: Environment) -> None:
    site_packages = environment.site_packages
    shutil.copytree(
        site_packages / "my_package-1.0.0.dist-info", site_packages / "My.Package-2.dist-info"
    )


def shadow_by_pth(environment: Environment) -> None:
    """A `.pth` file's directories come later, so that they shadow nothing."""
    directory = environment.root / "later" / "my_package"
    directory.mkdir(parents=True)
    (directory / "__init__.py").write_text("")
    (environment.site_packages / "later.pth").write_text(f"{directory.parent}\n")


def shadow_by_extension(environment: Environment) -> None:
    suffix = inside(
        environment,
        "from importlib.machinery import EXTENSION_SUFFIXES; print(*EXTENSION_SUFFIXES)",
    ).split()[0]
    (environment.site_packages / "my_package" / f"coral_plugins{suffix}").write_bytes(b"")


def shadow_by_package(environment: Environment) -> None:
    (environment.site_packages / "acme_object.py").write_text("")
    shutil.rmtree(environment.site_packages / "acme_object")


def shadow_by_bytecode(environment: Environment) -> None:
    (environment.site_packages / "my_package" / "__init__.pyc").write_bytes(b"")
    (environment.site_packages / "my_package" / "__init__.py").unlink()


def shadow_host(environment: Environment) -> None:
    (environment.site_packages / "inference.py").write_text("")


def shadow_by_standard_library(environment: Environment) -> None:
    """Nothing of it can be shadowed; a distribution that has such a module is never imported."""
    site_packages = environment.site_packages
    (site_packages / "json").mkdir()
    (site_packages / "json" / "__init__.py").write_text("")
    record = site_packages / "my_package-1.0.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "json/__init__.py,,\nsys.py,,\n")
    (site_packages / "sys.py").write_text("")


TAMPERING: list[tuple[Callable[[Environment], None], ...]] = [
    (),
    (edit_source, add_file, shadow_by_package),
    (remove_source, shadow_host),
    (uninstall,),
    (install_twice,),
    (shadow_by_pth,),
    (shadow_by_extension,),
    (shadow_by_bytecode,),
    (shadow_by_standard_library,),
]
"""What is done at once, where none of it hides another's consequences."""


def test_it_is_verified_from_outside_as_from_inside(
    environment: Environment, tmp_path: Path
) -> None:
    lock_path = tmp_path / "coral.lock"
    lock_path.write_text(write_lock(lock_from_outside(ask_interpreter(str(environment.root)))))
    site_packages = environment.site_packages
    pristine = shutil.copytree(site_packages, tmp_path / "pristine")
    seen: set[str] = set()
    for changes in TAMPERING:
        shutil.rmtree(site_packages)
        shutil.copytree(pristine, site_packages)
        for change in changes:
            change(environment)
        found = coral_lock.verify(lock_path, python=environment.root)
        # What is where this process has coral-lock isn't the environment's.
        within = [
            finding
            for finding in json.loads(inside(environment, VERIFY_INSIDE, lock_path))
            if not str(finding["where"]).startswith(tuple(OWN_LIBRARIES))
        ]
        assert [finding.to_dict() for finding in found] == within, changes
        seen.update(finding.code for finding in found)
        assert len(found) > len(changes)
        if not changes:
            assert [finding.code for finding in found] == ["host-unverified"]
        if changes == (shadow_by_pth,):
            assert [(finding.code, finding.severity) for finding in found] == [
                ("host-unverified", "warning"),
                ("unlocked-startup", "warning"),
            ]
    assert seen == {
        "digest-mismatch",
        "distribution-missing",
        "duplicate-distribution",
        "file-missing",
        "foreign-file",
        "foreign-target",
        "host-unverified",
        "module-shadowed",
        "unlocked-file",
        "unlocked-startup",
    }


def test_this_process_has_no_say(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process has on its path, or has imported, is neither here nor there."""
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    before = coral_lock.verify(lock, python=environment.root)
    for name in ("my_package", "inference"):
        shadow = tmp_path / "shadow" / name
        shadow.mkdir(parents=True)
        (shadow / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "shadow")
    monkeypatch.setitem(sys.modules, "acme_object", pytest)
    assert coral_lock.verify(lock, python=environment.root) == before
    assert coral_lock.verify(lock, site_packages=[environment.site_packages]) == before


def test_an_editable_install_of_another_environment(tmp_path: Path, python: str) -> None:
    environment = create_environment(tmp_path / "environment", python)
    wheel = make_wheel(
        tmp_path, "acme", {"_acme.pth": f"{tmp_path}/source\n"}, entry_point="acme_plugin:register"
    )
    install_with_uv(environment, wheel, wheelhouse=tmp_path, no_deps=True)
    (dist_info,) = environment.site_packages.glob("acme-*.dist-info")
    (dist_info / "direct_url.json").write_text(
        json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}})
    )
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "acme_plugin.py").write_text("# it\n")
    asked = ask_interpreter(str(environment.root))
    inventory = EnvironmentInventory(asked.path, asked.markers)
    assert inventory.read_source("acme", "acme_plugin.py") == b"# it\n"
    assert inventory.read_source("acme", "other.py") is None
    (tmp_path / "source" / "acme_plugin.py").unlink()
    assert (
        EnvironmentInventory(asked.path, asked.markers).read_source("acme", "acme_plugin.py")
        is None
    )
    assert inventory.marker_environment()["python_version"] == asked.machine.language_version
    assert inventory.marker_environment() == asked.markers
