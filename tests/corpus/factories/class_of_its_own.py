# entry point: class_of_its_own:register
# not evaluable: `PluginSpec` is a class

class PluginSpec:  # here
    def __init__(self, name, activate):
        self.name = name.upper()
        self.activate = activate


def register():
    return PluginSpec("lens", lambda config: True)
