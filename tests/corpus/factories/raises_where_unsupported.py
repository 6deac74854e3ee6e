# entry point: raises_where_unsupported:register
# not evaluable: `register` may end or pause before its last statement
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    if sys.platform != "linux":
        raise RuntimeError("only on Linux")  # here
    return PluginSpec(name="lens", activate=activate)
