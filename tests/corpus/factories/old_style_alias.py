# entry point: old_style_alias:plugin
# plugin: {"name": "entry-point-name"}
def _activate(config):
    return True


plugin = _activate
