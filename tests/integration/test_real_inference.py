"""The real inference host, from the package index, without its dependencies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import clean_environment
from tests.support.wheelhouse import fetch_real_inference


def _install(machine: Device, wheel: Path) -> None:
    """Install with pip, which can be told to overlook the wheel's Requires-Python."""
    options = ("--no-deps", "--no-index", "--ignore-requires-python", "--quiet")
    subprocess.run(
        (sys.executable, "-m", "pip", f"--python={machine.environment.python}", "install",
         *options, str(wheel)),
        env=clean_environment(),
        check=True,
        capture_output=True,
    )  # fmt: skip


def test_the_real_inference_is_a_host(device: MakeDevice, wheelhouse: Path) -> None:
    machine = device("my-package==1.0.0", "coral-inference==0.0.4")
    _install(machine, fetch_real_inference(wheelhouse))
    outcome = machine.coral("lock").require(0)
    assert "warning[requirement-unmet]: `inference` requires `numpy" in outcome.stderr
    document = json.loads(machine.lock_path.read_text())
    assert document["host"]["inference"] == {"distribution": "inference", "version": "0.58.0"}
    assert list(document["distributions"]["inference"]["digests"]) == ["py3-none-any"]
    machine.coral("lock", "--check").require(0)
    report = machine.coral("init", "--locked", "--integrity", "full").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:camera_stabilizer": True}

    source = machine.site_packages / "inference" / "core" / "version.py"
    source.write_text(source.read_text() + "\n")
    tampered = machine.coral("verify").require(3)
    assert "`inference/core/version.py` of `inference` isn't the file" in tampered.stderr
