"""The fixtures' classes, for annotations in tests, and those of `coral_config` and `coral_host`.

`coral_config` is a `ConfigBuilder`, `coral_host` a `FakeHost`, `coral_activation` an
`ActivationHarness`, which returns an `Activation`. `install_shim` makes
`coral_inference.runtime.plugins` importable where no host is installed, as a start does.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import pytest
from packaging.version import Version

from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import DEFAULT_ORIGIN
from coral_lock.installed.site_scan import Scan, unique_directories
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS, normalized_name
from coral_lock.plugin.config import BUILT_IN_PATCHES, RuntimeConfig
from coral_lock.plugin.facts import merged
from coral_lock.plugin.spec import install_shim
from coral_lock.testing.activation import Activation, ActivationHarness

__all__ = ["Activation", "ActivationHarness", "ConfigBuilder", "FakeHost", "install_shim"]


class ConfigBuilder:
    """Builds a `RuntimeConfig`; the fixture `coral_config`."""

    def __call__(
        self,
        descriptor: str | PathLike[str] | None = None,
        *,
        platform: str | None = None,
        services: Mapping[str, Any] | None = None,
        patches: Mapping[str, bool] | None = None,
    ) -> RuntimeConfig:
        """Return the configuration of a descriptor with the arguments on top.

        Args:
            descriptor: a descriptor's file; None for the defaults.
            platform: the platform's name.
            services: merged over the descriptor's, mappings key by key.
            patches: patches of the host or plugins, on or off, merged over the descriptor's.

        Raises:
            CoralLockError: the descriptor can't be used.
        """
        loaded = load_descriptor(None if descriptor is None else os.fspath(descriptor))
        config = loaded.runtime_config()
        # What isn't named is left out, so that a plugin's overrides hold there.
        named = {
            name: switch
            for name, switch in config.patches.items()
            if name not in BUILT_IN_PATCHES
            or loaded.origins.get(f"patches.{name}", DEFAULT_ORIGIN) != DEFAULT_ORIGIN
        }
        return RuntimeConfig(
            platform=platform or config.platform,
            services=merged(config.services, services or {}),
            patches={**named, **(patches or {})},
            auto_patch_rknn=config.auto_patch_rknn,
            auto_discover_backends=config.auto_discover_backends,
            extra_patches=config.extra_patches,
        )


_HOSTS = frozenset({CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS})
_SUFFIXES = (".dist-info", ".egg-info")
_LOOKERS = ("coral_lock.installed.environment", "coral_lock.verification.machine")
"""The modules that look at what is installed."""

_WHEEL = """\
Wheel-Version: 1.0
Generator: coral-lock
Root-Is-Purelib: true
Tag: py3-none-any
"""


class FakeHost:
    """Makes an environment look as if it had a host; the fixture `coral_host`.

    The distributions have true dist-info directories, in a directory of their own at the
    front of `sys.path`, and hold no code. Where a host is really installed, coral-lock
    doesn't see it, as two copies would be an error; its code can still be imported.

    Args:
        directory: an empty directory, which is put on the path.
        monkeypatch: takes back at the end of the test what is changed here.
    """

    def __init__(self, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = os.path.abspath(directory)
        self._monkeypatch = monkeypatch

    def __call__(
        self,
        *,
        core: str | None = None,
        inference: str | None = None,
        inference_distribution: str = "inference",
    ) -> None:
        """Install hosts of these versions in place of those of an earlier call.

        Args:
            core: the version of `coral-inference`; None for none.
            inference: the version of the inference host; None for none.
            inference_distribution: which of its names it is installed under.

        Raises:
            ValueError: no inference host has that name, or a version can't be one.
        """
        if inference_distribution not in INFERENCE_DISTRIBUTIONS:
            raise ValueError(
                f"the inference host is one of {', '.join(INFERENCE_DISTRIBUTIONS)}, "
                f"not `{inference_distribution}`"
            )
        wanted = {CORE_DISTRIBUTION: core, inference_distribution: inference}
        versions = {name: version for name, version in wanted.items() if version is not None}
        for version in versions.values():
            Version(version)
        for entry in os.listdir(self._directory):
            shutil.rmtree(os.path.join(self._directory, entry))
        for name, version in versions.items():
            _write_dist_info(self._directory, name, version)
        if self._directory not in sys.path:
            self._monkeypatch.syspath_prepend(self._directory)
            for module in _LOOKERS:
                self._monkeypatch.setattr(f"{module}.scan_path", self._scan_path)
        importlib.invalidate_caches()

    def _scan_path(self, path: Sequence[str]) -> Scan:
        """Do what `site_scan.scan_path` does, and pass over hosts that are installed."""
        return Scan(
            {
                root: sorted(
                    entry
                    for entry in os.listdir(root)
                    if entry.endswith(_SUFFIXES)
                    and (root == self._directory or _distribution_of(entry) not in _HOSTS)
                )
                for root in unique_directories(path)
            }
        )


def _distribution_of(entry: str) -> str:
    return normalized_name(entry[: entry.rindex(".")].partition("-")[0])


def _write_dist_info(root: str, name: str, version: str) -> None:
    directory = f"{name.replace('-', '_')}-{version}.dist-info"
    os.mkdir(os.path.join(root, directory))
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": _WHEEL,
    }
    files["RECORD"] = "".join(f"{directory}/{file},,\n" for file in (*files, "RECORD"))
    for file, text in files.items():
        with open(os.path.join(root, directory, file), "w", encoding="utf-8", newline="") as target:
            target.write(text)
