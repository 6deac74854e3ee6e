"""What an activation changes in a process is put back."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from coral_lock.testing.fixtures import ActivationHarness
from tests.unit.testing.modules import module_text, write_package


def _surroundings() -> tuple[object, ...]:
    return (
        dict(os.environ),
        list(sys.path),
        list(sys.meta_path),
    )


def test_everything_but_other_modules_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    body = (
        "import os, sys\n"
        "import acme_back.inner, acme_other\n"
        "os.environ['ACME'] = 'set'\n"
        "os.environ.pop('ACME_BEFORE')\n"
        "sys.path.append('/nowhere')\n"
        "sys.meta_path.insert(0, type('Finder', (), {})())\n"
        "sys.meta_path.pop(0)\n"
        "return True"
    )
    entry_point = write_package(tmp_path / "site", "acme_back", module_text(body))
    (tmp_path / "site" / "acme_back" / "inner.py").write_text("", encoding="utf-8")
    (tmp_path / "site" / "acme_other.py").write_text("", encoding="utf-8")
    monkeypatch.setenv("ACME_BEFORE", "set")
    for name in [name for name in sys.modules if name.startswith("coral_inference")]:
        monkeypatch.delitem(sys.modules, name)
    before, modules = _surroundings(), set(sys.modules)

    harness = ActivationHarness()
    harness(entry_point=entry_point).assert_activated("patches:glow")
    assert _surroundings() != before
    assert {"acme_back.inner", "acme_back.plugin", "coral_inference"} <= set(sys.modules)
    harness.restore()

    assert _surroundings() == before
    assert not any(name.startswith(("acme_back", "coral_inference")) for name in sys.modules)
    assert set(sys.modules) - modules >= {"acme_other"}
    del sys.modules["acme_other"]


def test_a_module_that_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    entry_point = write_package(tmp_path / "site", "acme_stays", module_text())
    package = __import__("acme_stays")
    harness = ActivationHarness()
    harness(entry_point=entry_point).assert_activated("patches:glow")
    assert hasattr(package, "plugin")
    harness.restore()
    assert sys.modules["acme_stays"] is package
    assert not hasattr(package, "plugin")
    assert "acme_stays.plugin" not in sys.modules
    monkeypatch.delitem(sys.modules, "acme_stays")
