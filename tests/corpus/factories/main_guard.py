# entry point: main_guard:register
# not evaluable: `NAME` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec

NAME = "demo"


def activate(config):
    return True


def register():
    return PluginSpec(name=NAME, activate=activate)


if __name__ == "__main__":
    NAME = "run as a script"  # here
    spec = register()
    spec.name = NAME
    print(vars(spec))
