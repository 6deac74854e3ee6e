# entry point: main_guard_that_runs_only:register
# plugin: {"name": "demo"}
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="demo", activate=activate)


if __name__ == "__main__":
    spec = register()
    spec.name = "changed"
    print(register().name)
