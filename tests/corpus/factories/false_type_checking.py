# entry point: false_type_checking:register
# not evaluable: `NAME` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


TYPE_CHECKING = True

if TYPE_CHECKING:
    NAME = "one"  # here
else:
    NAME = "other"


def register():
    return PluginSpec(name=NAME, activate=activate)
