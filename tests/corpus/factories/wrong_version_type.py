# entry point: wrong_version_type:register
# wrong: `min_core_version` isn't a string: 0.4
from coral_inference.runtime.plugins import PluginSpec

MIN_CORE = 0.4


def register():
    return PluginSpec(name="floating", activate=lambda config: True, min_core_version=MIN_CORE)
