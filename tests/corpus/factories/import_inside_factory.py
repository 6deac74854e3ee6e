# entry point: import_inside_factory:register
# plugin: {"name": "lazy_import"}
def activate(config):
    return bool(config)


def register():
    """Import late, so that the package works without the runtime."""
    from coral_inference.runtime.plugins import PluginSpec

    return PluginSpec(name="lazy_import", activate=activate)
