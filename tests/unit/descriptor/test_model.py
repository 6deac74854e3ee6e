"""What a descriptor can't be built with, and what a start doesn't import for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import PluginRequest
from coral_lock.targets.model import Target


def test_requests_are_sorted_and_each_plugin_stands_once() -> None:
    first = PluginRequest(group="patches", name="a", enabled=True, where="x")
    second = PluginRequest(group="backends", name="b", enabled=True, where="x")
    empty = load_descriptor(None)
    assert empty.replace(requests=(first, second)).requests == (second, first)
    with pytest.raises(ValueError, match="two requests for one plugin"):
        empty.replace(requests=(first, first))


def test_targets_are_sorted_and_each_name_stands_once() -> None:
    first = Target(name="b", python="3.10", platform="linux_aarch64")
    second = Target(name="a", python="3.11", platform="linux_aarch64")
    empty = load_descriptor(None)
    assert empty.replace(targets=(first, second)).targets == (second, first)
    with pytest.raises(ValueError, match="two targets with one name"):
        empty.replace(targets=(first, second, first))


def test_after_is_sorted() -> None:
    with pytest.raises(ValueError, match="`after` must be sorted and unique"):
        PluginRequest(
            group="patches", name="a", enabled=True, where="x", after=("patches:c", "patches:b")
        )


def test_a_plugin_that_is_not_named_has_no_request() -> None:
    assert load_descriptor(None).request("patches:x") is None


HEAVY = (
    "yaml",
    "json",
    "re",
    "dataclasses",
    "typing",
    "difflib",
    "importlib.metadata",
    "packaging",
    "jsonschema",
    "coral_lock.targets.machine",
)


def test_a_device_reads_targets_and_hosts_without_packaging(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text(
        "targets: [{name: jetson, python: '3.10', platform: manylinux_2_31_aarch64}]\n"
        "host: {core: 0.0.5.dev1, inference: 0.58.0}\n"
    )
    script = (
        "import sys\n"
        "from coral_lock.descriptor.load import load_descriptor\n"
        f"load_descriptor({str(path)!r}, environment={{}})\n"
        "print('packaging' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "statement",
    [
        "import coral_lock.descriptor.model",
        "from coral_lock.descriptor.load import load_descriptor\n"
        "load_descriptor(None, environment={'CORAL_ENABLE_CAMERA': '1'},"
        " settings=['patches.x=true', 'platform=rknn'])",
    ],
    ids=["model", "environment and switches"],
)
def test_a_start_imports_no_parser(statement: str) -> None:
    script = (
        f"import sys\nbefore = set(sys.modules)\n{statement}\n"
        f"print(*sorted(set({HEAVY!r}) & (set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
