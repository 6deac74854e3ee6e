# entry point: acme_shadow:register
# not evaluable: `title` is also a submodule of `acme_shadow`
from coral_inference.runtime.plugins import PluginSpec

title = "lens"  # here

from . import other


def register():
    from . import title

    return PluginSpec(name=title, activate=other.activate)
