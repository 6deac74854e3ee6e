# entry point: factory_of_factories:register_all
# plugin: {"name": "read"}
# plugin: {"name": "write"}
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register_read():
    return PluginSpec(name="read", activate=activate)


def register_write():
    return PluginSpec(name="write", activate=activate)


def register_all():
    return [register_read(), register_write]
