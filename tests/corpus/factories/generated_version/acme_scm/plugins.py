# entry point: acme_scm.plugins:register
# plugin: {"name": "scm", "description": "1.2.3"}
from coral_inference.runtime.plugins import PluginSpec

from ._version import __version__


def activate(config):
    return True


def register():
    return PluginSpec(name="scm", activate=activate, description=__version__)
