# entry point: constant_in_branch:register
# not evaluable: `MIN_CORE` is assigned more than once or under a condition
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


MIN_CORE = "0.0.4"
if sys.platform == "darwin":
    MIN_CORE = "0.0.5"  # here


def register():
    return PluginSpec(name="lens", activate=activate, min_core_version=MIN_CORE)
