# entry point: acme_late.plugins:register
# not evaluable: `.NAME` is changed before the spec is known
from coral_inference.runtime.plugins import PluginSpec

from . import settings

settings.NAME = "other"  # here


def register():
    return PluginSpec(name=settings.NAME, activate=lambda config: True)
