# entry point: coral_lock_classes:specs
# plugin: {"name": "first"}
# plugin: {"name": "second"}
from coral_lock.plugin.spec import BackendAdapter, PluginSpec


def yes(*_):
    return True


specs = (PluginSpec("first", yes), BackendAdapter("second", yes, yes))
