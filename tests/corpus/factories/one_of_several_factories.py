# entry point: one_of_several_factories:register_lens
# plugin: {"name": "lens"}
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register_crop():
    specs = []
    for name in ("crop", "trim"):
        specs.append(PluginSpec(name=name, activate=activate))
    return specs


def register_lens():
    return PluginSpec(name="lens", activate=activate)


ALL = [register_crop, register_lens]
