"""`RuntimeConfig`: what a plugin gets at activation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

DEFAULT_PLATFORM = "onnx"

BUILT_IN_PATCHES = {
    "buffer_sink": "enable_buffer_sink_patch",
    "camera": "enable_camera_patch",
    "metric_sink": "enable_metric_sink_patch",
    "plugins": "enable_plugins",
    "sink": "enable_sink_patch",
    "stream_manager": "enable_stream_manager_patch",
    "video_sink": "enable_video_sink_patch",
    "webrtc": "enable_webrtc",
}
"""The host's own patches: the name in a descriptor and the attribute of `RuntimeConfig`."""


SILENT_HOST = {
    "CI_RUNTIME_AUTOINIT": "0",
    "CORAL_AUTO_DISCOVER_BACKENDS": "0",
    "CORAL_ENABLE_PLUGINS": "0",
}
"""The variables under which a host that is imported loads neither plugins nor backends."""


class RuntimeConfig:
    """The configuration of a runtime, under the attribute names of the runtime's own config.

    Args:
        platform: the platform's name, e.g. `rknn`.
        services: the descriptor's free-form `services`.
        patches: each patch that the descriptor names, built-in or plugin, and whether it is on.
        auto_patch_rknn: whether the host may patch itself for rknn.
        auto_discover_backends: whether backend plugins are found by their entry points.
        backend_entry_modules: modules that the host imports to register backends.
        extra_patches: names of further patches of the host.

    The flags `enable_camera_patch`, `enable_webrtc`, … of the built-in patches follow from
    `patches`; one that isn't named there is on.
    """

    enable_buffer_sink_patch: bool
    enable_camera_patch: bool
    enable_metric_sink_patch: bool
    enable_plugins: bool
    enable_sink_patch: bool
    enable_stream_manager_patch: bool
    enable_video_sink_patch: bool
    enable_webrtc: bool

    def __init__(
        self,
        *,
        platform: str = DEFAULT_PLATFORM,
        services: Mapping[str, Any] | None = None,
        patches: Mapping[str, bool] | None = None,
        auto_patch_rknn: bool = True,
        auto_discover_backends: bool = True,
        backend_entry_modules: Sequence[str] = (),
        extra_patches: Sequence[str] = (),
    ) -> None:
        self.platform = platform
        self.services = dict(services or {})
        self.patches = dict(patches or {})
        self.auto_patch_rknn = auto_patch_rknn
        self.auto_discover_backends = auto_discover_backends
        self.backend_entry_modules = list(backend_entry_modules)
        self.extra_patches = list(extra_patches)
        for name, attribute in BUILT_IN_PATCHES.items():
            setattr(self, attribute, self.patches.get(name, True))

    def built_in_patches(self) -> dict[str, bool]:
        """Return each of the host's own patches and whether it is on."""
        return {name: getattr(self, attribute) for name, attribute in BUILT_IN_PATCHES.items()}

    def effective_patches(self) -> dict[str, bool]:
        """Return each patch that the host applies, and whether it is to.

        `sink` is a switch over the three sinks, and no patch.
        """
        return {
            name: is_on and (self.enable_sink_patch or not name.endswith("_sink"))
            for name, is_on in self.built_in_patches().items()
            if name != "sink"
        }

    def host_environment(self) -> dict[str, str]:
        """Return the variables from which the host reads this configuration at its import.

        `services` isn't among them: the host reads none from the environment.
        """
        switches = {
            **{f"ENABLE_{name.upper()}": on for name, on in self.built_in_patches().items()},
            "AUTO_DISCOVER_BACKENDS": self.auto_discover_backends,
            "AUTO_PATCH_RKNN": self.auto_patch_rknn,
        }
        return {
            **{f"CORAL_{name}": "1" if is_on else "0" for name, is_on in switches.items()},
            "CORAL_BACKEND_MODULES": ",".join(self.backend_entry_modules),
            "CORAL_EXTRA_PATCHES": ",".join(self.extra_patches),
            "CORAL_RUNTIME_PLATFORM": self.platform,
            "CI_RUNTIME_AUTOINIT": "1",
        }

    def __repr__(self) -> str:
        return f"RuntimeConfig(platform={self.platform!r})"
