# entry point: constant_with_fallback:register
# not evaluable: `VERSION` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


try:
    from acme_version_that_is_not_there import VERSION  # here
except ImportError:
    VERSION = "0.0.0"


def register():
    return PluginSpec(name="lens", activate=activate, min_core_version=VERSION)
