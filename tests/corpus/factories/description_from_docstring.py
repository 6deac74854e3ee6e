# entry point: description_from_docstring:register
# not evaluable: `__doc__` isn't defined in `description_from_docstring`
"""What this plugin does."""

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="documented", activate=activate, description=__doc__)  # here
