# entry point: several_entry_points:register_lens
# plugin: {"name": "lens", "description": "Correct the lens"}
import importlib

from coral_inference.runtime.plugins import PluginSpec


def _patch(module, name, value):
    setattr(importlib.import_module(module), name, value)


def activate_crop(config):
    _patch("acme.crop", "enabled", True)
    return True


def activate_lens(config):
    _patch("acme.lens", "enabled", True)
    return True


def register_crop():
    return PluginSpec(name="crop", activate=activate_crop, description="Crop frames")


def register_lens():
    return PluginSpec(name="lens", activate=activate_lens, description="Correct the lens")


zoom = PluginSpec("zoom", activate_crop)
ALL = [register_crop, register_lens, zoom]
