# entry point: tuple_of_factories:PLUGINS
# plugin: {"name": "edge_crop"}
# plugin: {"name": "lens"}
from coral_inference.runtime.plugins import PluginSpec

__all__ = ["PLUGINS", "register_edge_crop", "register_lens"]


def activate(config):
    return True


def register_edge_crop():
    spec = PluginSpec(name="edge_crop", activate=activate)
    return spec


def register_lens():
    spec = PluginSpec(name="lens", activate=activate)
    return spec


PLUGINS = (register_edge_crop, register_lens)
