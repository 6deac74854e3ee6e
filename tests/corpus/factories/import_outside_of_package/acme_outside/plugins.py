# entry point: acme_outside.plugins:register
# not evaluable: a relative import leads outside of the package
from coral_inference.runtime.plugins import PluginSpec

from ..elsewhere import NAME  # here


def register():
    return PluginSpec(name=NAME, activate=lambda config: True)
