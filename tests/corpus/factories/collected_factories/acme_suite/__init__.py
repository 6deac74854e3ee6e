# entry point: acme_suite:plugins
# plugin: {"name": "crop"}
# plugin: {"name": "lens"}
from acme_suite import crop
from acme_suite.lens import plugin as lens_plugin

plugins = (crop.register, lens_plugin)
