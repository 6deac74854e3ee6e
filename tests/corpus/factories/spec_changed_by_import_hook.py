# entry point: spec_changed_by_import_hook:plugin
# not evaluable: `plugin` is used where it may be changed
import atexit

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


plugin = PluginSpec(name="lens", activate=activate)


@atexit.register
def _finish():
    mutate = plugin  # here
    mutate.name = "other"
