# entry point: name_from_format:register
# not evaluable: it depends on `TEMPLATE.format`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


TEMPLATE = "acme_{}"


def register():
    return PluginSpec(name=TEMPLATE.format("lens"), activate=activate)  # here
