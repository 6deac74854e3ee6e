# entry point: constant_in_with_block:register
# not evaluable: `NAME` is assigned more than once or under a condition
import contextlib

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


with contextlib.suppress(ImportError):
    NAME = "lens"  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
