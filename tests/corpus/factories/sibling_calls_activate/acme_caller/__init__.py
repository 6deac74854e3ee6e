# entry point: acme_caller:plugins
# not evaluable: `.activate` may be called before the spec is known
from .specs import other, plugin

plugins = (plugin,)
other.activate(None)  # here
