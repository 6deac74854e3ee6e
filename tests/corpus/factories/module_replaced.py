# entry point: module_replaced:register
# not evaluable: `.modules` can change what names stand for
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


class _Lazy:
    NAME = "other"


NAME = "lens"
sys.modules[__name__] = _Lazy()  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
