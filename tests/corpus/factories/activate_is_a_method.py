# entry point: activate_is_a_method:register
# plugin: {"name": "stateful"}
from dataclasses import dataclass

from coral_inference.runtime.plugins import PluginSpec


@dataclass
class Stabilizer:
    strength: float = 0.5

    def activate(self, config):
        self.name = config.platform
        return True


def register():
    stabilizer = Stabilizer(strength=0.7)
    return PluginSpec(name="stateful", activate=stabilizer.activate)
