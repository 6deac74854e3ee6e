"""Plugins whose wheels hold more than a plugin, and machines that have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.device import Device
from tests.support.environments import install_with_pip, install_with_uv
from tests.support.handmade_wheels import make_wheel

EVIL = "import sys\nprint('EVIL CODE RAN', file=sys.stderr)\n"

_SPEC = """
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


spec = PluginSpec(name="{name}", activate=activate, description="Do good")
"""


def make_plugin_with(
    directory: Path, files: Mapping[str, str], *, name: str = "acme", requires: str = ""
) -> Path:
    """Write the wheel of a plugin that brings these files along.

    `DATA` in a path stands for the wheel's `.data` directory, `INFO` for its dist-info.
    """
    members = {f"{name}/__init__.py": _SPEC.format(name=name), **_placed(files, name)}
    entry_point = "" if "INFO/entry_points.txt" in files else f"{name}:spec"
    return make_wheel(directory, name, members, entry_point=entry_point, requires=requires)


def make_library_with(directory: Path, files: Mapping[str, str], *, name: str = "helper") -> Path:
    """Write the wheel of a distribution without plugins, with paths as for a plugin."""
    return make_wheel(directory, name, {f"{name}.py": "", **_placed(files, name)})


def _placed(files: Mapping[str, str], name: str) -> dict[str, str]:
    places = {"DATA/": f"{name}-1.0.data/", "INFO/": f"{name}-1.0.dist-info/"}
    return {places.get(path[:5], path[:5]) + path[5:]: text for path, text in files.items()}


def install(machine: Device, *wheels: Path, installer: str = "uv") -> None:
    """Install wheels that lie in one directory, with what they require from there."""
    by = {"uv": install_with_uv, "pip": install_with_pip}[installer]
    by(machine.environment, *wheels, wheelhouse=wheels[0].parent)
