# entry point: cached_factory:register
# plugin: {"name": "cached"}
import functools

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


@functools.cache
def register():
    return PluginSpec(name="cached", activate=activate)
