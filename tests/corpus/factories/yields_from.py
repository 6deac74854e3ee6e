# entry point: yields_from:register
# plugin: {"name": "one"}
# plugin: {"name": "two"}
# plugin: {"name": "three"}
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


MORE = [PluginSpec("two", activate), PluginSpec("three", activate)]


def register():
    yield PluginSpec("one", activate)
    yield from MORE
    return
