# entry point: dotted_module:register
# not evaluable: `coral_inference` is assigned more than once or under a condition
import coral_inference.runtime.backends
import coral_inference.runtime.plugins  # here


def supports(platform, config):
    return platform == "rknn"


def activate(platform, config):
    return True


def register():
    return coral_inference.runtime.backends.BackendAdapter(
        name="npu_pool", supports=supports, activate=activate
    )
