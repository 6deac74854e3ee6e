"""Building the configuration that a plugin is handed in a test."""

from __future__ import annotations

import os

from coral_lock.plugin.config import BUILT_IN_PATCHES, DEFAULT_PLATFORM, RuntimeConfig
from coral_lock.plugin.overrides import merged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any

    from coral_lock.descriptor.model import Descriptor


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
        if descriptor is None:
            config = RuntimeConfig(platform=DEFAULT_PLATFORM)
        else:
            from coral_lock.descriptor.load import load_descriptor

            config = _config_of(load_descriptor(os.fspath(descriptor)))
        return RuntimeConfig(
            platform=platform or config.platform,
            services=merged(config.services, services or {}),
            patches={**config.patches, **(patches or {})},
            auto_patch_rknn=config.auto_patch_rknn,
            auto_discover_backends=config.auto_discover_backends,
            extra_patches=config.extra_patches,
        )


def _config_of(descriptor: Descriptor) -> RuntimeConfig:
    """Return a descriptor's configuration, whose `patches` are those that it names.

    What it leaves to its default isn't named, so that a plugin's overrides hold there.
    """
    config = descriptor.runtime_config()
    config.patches = {
        name: switch
        for name, switch in config.patches.items()
        if name not in BUILT_IN_PATCHES
        or descriptor.origins.get(f"patches.{name}", "default") != "default"
    }
    return config
