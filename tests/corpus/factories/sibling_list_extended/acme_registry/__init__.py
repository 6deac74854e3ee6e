# entry point: acme_registry:PLUGINS
# not evaluable: `.PLUGINS` may be an object that is changed
from . import registry
from .registry import PLUGINS

registry.PLUGINS.append(lambda: [])  # here
