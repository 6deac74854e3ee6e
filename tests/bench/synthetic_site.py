"""Synthetic installed distributions, as an installer would have left them.

Twenty of them are plugins in the documented form. The same factories are declared a second
time, in a group that stevedore and pluggy load.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PLUGIN_COUNT = 20
LOADERS_GROUP = "bench.plugins"
PLUGIN_GROUPS = ("coral_inference.patches", "coral_inference.workflows")

_SHARED_LIBRARIES = 5
_SCRIPTS_EVERY = 7
_MODULE_LINES = 24
_DESCRIPTION_LINES = 60

_PLUGIN = """\
from coral_inference.runtime.plugins import PluginSpec

def register_{name}():
    def activate(config):
        return True
    return PluginSpec(name="{name}", activate=activate,
                      description="Measure what loading {name} takes",
                      min_core_version="0.0.4", min_inference_version="0.9.0")
"""

_MANIFEST = """\
manifest_version: 1
plugins:
  - group: {group}
    name: {name}
    entry_point: {name}.coral_plugins:register_{name}
    description: Measure what loading {name} takes
    min_core_version: "0.0.4"
    min_inference_version: "0.9.0"
"""


class Site(NamedTuple):
    """What a site directory is like: how much is installed, and whether plugins ship manifests."""

    size: int
    has_manifests: bool = False

    def __str__(self) -> str:
        return f"{self.size:,} distributions" + (", with manifests" if self.has_manifests else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticDistribution:
    """What a distribution consists of: its files by their paths under the site root."""

    name: str
    version: str
    files: Mapping[str, str | bytes]
    requires: Sequence[str] = ()
    entry_points: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_site(root: Path, count: int, has_manifests: bool) -> tuple[str, ...]:
    """Write `count` distributions, hosts and plugins among them, into a site directory.

    Returns the paths of the plugin distributions' files that a digest covers, sorted.
    """
    plugins = tuple(_plugins(has_manifests))
    distributions = (*_hosts(), *plugins)
    for distribution in (*distributions, *_libraries(count - len(distributions))):
        write_distribution(root, distribution)
    return tuple(
        str(root / path)
        for plugin in plugins
        for path in sorted((*plugin.files, *_dist_info_files(plugin)))
    )


def _hosts() -> Iterator[SyntheticDistribution]:
    """Yield hosts that load no plugins: what is measured is who does.

    Their `PluginSpec` is coral-lock's, or for other loaders the one in `measured/host`.
    """
    yield SyntheticDistribution(
        name="coral_inference",
        version="0.0.4",
        files={
            "coral_inference/__init__.py": "",
            "coral_inference/runtime/__init__.py": "",
        },
    )
    yield SyntheticDistribution(
        name="inference", version="0.58.0", files={"inference/__init__.py": ""}
    )


def _plugins(has_manifests: bool) -> Iterator[SyntheticDistribution]:
    for number in range(PLUGIN_COUNT):
        name = f"bench_plugin_{number:02}"
        group = PLUGIN_GROUPS[number % len(PLUGIN_GROUPS)]
        manifest = _MANIFEST.format(group=group.rpartition(".")[2], name=name)
        declaration = f"{name} = {name}.coral_plugins:register_{name}"
        yield SyntheticDistribution(
            name=name,
            version="1.0.0",
            files={
                f"{name}/__init__.py": "",
                f"{name}/coral_plugins.py": _PLUGIN.format(name=name),
                **({f"{name}/coral_plugin.yaml": manifest} if has_manifests else {}),
            },
            requires=(f"bench-library-{number % _SHARED_LIBRARIES:04}>=1.0",),
            entry_points={
                group: (declaration,),
                LOADERS_GROUP: (declaration,),
            },
        )


def _libraries(count: int) -> Iterator[SyntheticDistribution]:
    for number in range(count):
        name = f"bench_library_{number:04}"
        scripts = [f"{name} = {name}.command:main", f"{name}-admin = {name}.command:main"]
        yield SyntheticDistribution(
            name=name,
            version=f"1.{number % 10}.{number % 7}",
            files={
                f"{name}/__init__.py": f'"""{name}."""\n\n__version__ = "1.0"\n',
                f"{name}/command.py": "def main():\n    return 0\n",
                f"{name}/model.py": _module(name),
                f"{name}/py.typed": "",
            },
            entry_points={"console_scripts": scripts} if number % _SCRIPTS_EVERY == 0 else {},
        )


def _module(name: str) -> str:
    return "".join(
        f'def function_{line}(argument):\n    return ("{name}", {line}, argument)\n\n\n'
        for line in range(_MODULE_LINES)
    )


def write_distribution(root: Path, distribution: SyntheticDistribution) -> None:
    """Write a distribution's files into a site directory, and its metadata."""
    dist_info = _dist_info(distribution)
    files: dict[str, str | bytes] = {**distribution.files, **_dist_info_files(distribution)}
    files[f"{dist_info}/INSTALLER"] = "uv"
    record = "".join(f"{path},{_record_hash(text)}\n" for path, text in sorted(files.items()))
    files[f"{dist_info}/RECORD"] = f"{record}{dist_info}/RECORD,,\n"
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)


def _dist_info(distribution: SyntheticDistribution) -> str:
    return f"{distribution.name}-{distribution.version}.dist-info"


def _dist_info_files(distribution: SyntheticDistribution) -> dict[str, str]:
    dist_info = _dist_info(distribution)
    files = {
        f"{dist_info}/METADATA": _metadata(distribution),
        f"{dist_info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    if distribution.entry_points:
        files[f"{dist_info}/entry_points.txt"] = "\n".join(
            f"[{group}]\n" + "".join(f"{declaration}\n" for declaration in declarations)
            for group, declarations in distribution.entry_points.items()
        )
    return files


def _metadata(distribution: SyntheticDistribution) -> str:
    head = (
        "Metadata-Version: 2.4",
        f"Name: {distribution.name.replace('_', '-')}",
        f"Version: {distribution.version}",
        "Summary: A distribution that exists to be measured",
        "Requires-Python: >=3.10",
        *(f"Requires-Dist: {requirement}" for requirement in distribution.requires),
        "Description-Content-Type: text/markdown",
    )
    line = f"{distribution.name} says what it does, at the length that is usual.\n"
    return "\n".join(head) + "\n\n" + line * _DESCRIPTION_LINES


def _record_hash(text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"
