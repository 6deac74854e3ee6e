# entry point: main_guard:register
# plugin: {"name": "demo"}
from coral_inference.runtime.plugins import PluginSpec

NAME = "demo"


def activate(config):
    return True


def register():
    return PluginSpec(name=NAME, activate=activate)


if __name__ == "__main__":
    NAME = "run as a script"
    spec = register()
    spec.name = NAME
    print(vars(spec))
