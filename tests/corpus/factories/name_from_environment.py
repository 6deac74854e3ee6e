# entry point: name_from_environment:register
# not evaluable: it depends on a call of `os.environ.get`
import os

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    name = os.environ.get("ACME_NAME", "acme")  # here
    return PluginSpec(name=name, activate=activate)
