"""Wheels of plugins and libraries, in as many versions as a test wants."""

from __future__ import annotations

from pathlib import Path

from tests.support.handmade_wheels import make_wheel

_PLUGIN = """
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


spec = PluginSpec(name="{name}", activate=activate, description="{name} {version}"{more})
"""


def make_plugin(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: str = "",
    min_core_version: str = "",
    tag: str = "py3-none-any",
    build: str = "",
) -> Path:
    """Write the wheel of a distribution that offers the patch of its own name."""
    more = f', min_core_version="{min_core_version}"' if min_core_version else ""
    return make_wheel(
        directory,
        name,
        {f"{name}.py": _PLUGIN.format(name=name, version=version, more=more)},
        entry_point=f"{name}:spec",
        requires=requires,
        version=version,
        tag=tag,
        build=build,
    )


def make_library(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: str = "",
    tag: str = "py3-none-any",
) -> Path:
    """Write the wheel of a distribution without plugins."""
    files = {f"{name.replace('-', '_')}.py": f'version = "{version}"\n'}
    return make_wheel(directory, name, files, requires=requires, version=version, tag=tag)
