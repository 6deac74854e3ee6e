# entry point: dotted_module:register
# plugin: {"name": "npu_pool"}
import coral_inference.runtime.backends
import coral_inference.runtime.plugins


def supports(platform, config):
    return platform == "rknn"


def activate(platform, config):
    return True


def register():
    return coral_inference.runtime.backends.BackendAdapter(
        name="npu_pool", supports=supports, activate=activate
    )
