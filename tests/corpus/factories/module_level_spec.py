# entry point: module_level_spec:plugin
# plugin: {"name": "frame_counter", "description": "Count frames"}
"""Counts frames."""

from coral_inference.runtime.plugins import PluginSpec

_frames = 0


def activate(config):
    global _frames
    _frames = 0
    return True


plugin = PluginSpec(name="frame_counter", activate=activate, description="Count frames")
