# entry point: false_type_checking:register
# not evaluable: `TYPE_CHECKING` isn't that of `typing`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


TYPE_CHECKING = True

if TYPE_CHECKING:  # here
    NAME = "one"
else:
    NAME = "other"


def register():
    return PluginSpec(name=NAME, activate=activate)
