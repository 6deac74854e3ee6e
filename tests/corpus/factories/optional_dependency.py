# entry point: optional_dependency:register
# plugin: {"name": "optional", "description": "Uses numpy where it is there"}
from coral_inference.runtime.plugins import PluginSpec

try:
    import numpy_that_is_not_there as np
except ImportError:
    np = None


def register():
    try:
        from fast_path_that_is_not_there import activate
    except ImportError:

        def activate(config):
            return np is None

    return PluginSpec(
        name="optional", activate=activate, description="Uses numpy where it is there"
    )
