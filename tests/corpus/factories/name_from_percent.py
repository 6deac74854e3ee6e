# entry point: name_from_percent:register
# not evaluable: it depends on `'acme_%s' % 'lens'`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="acme_%s" % "lens", activate=activate)  # here
