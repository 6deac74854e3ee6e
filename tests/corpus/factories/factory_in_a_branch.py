# entry point: factory_in_a_branch:register
# not evaluable: `register` is assigned more than once or under a condition
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


if sys.version_info >= (3, 11):

    def register():  # here
        return PluginSpec(name="new", activate=activate)

else:

    def register():
        return PluginSpec(name="old", activate=activate)
