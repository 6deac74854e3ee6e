# entry point: dotted_backend:register
# plugin: {"name": "npu_pool"}
import coral_inference.runtime.backends


def activate(platform, config):
    return True


def register():
    return coral_inference.runtime.backends.BackendAdapter("npu_pool", activate, activate)
