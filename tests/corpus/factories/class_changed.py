# entry point: class_changed:register
# not evaluable: `.__init__` is changed before the spec is known
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


_original = PluginSpec.__init__


def _patched(self, name, *args, **kwargs):
    _original(self, "acme_" + name, *args, **kwargs)


PluginSpec.__init__ = _patched  # here


def register():
    return PluginSpec(name="lens", activate=activate)
