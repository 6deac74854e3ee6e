# entry point: backend_factory:register_backend
# plugin: {"name": "rknn"}
from coral_inference.runtime.backends import BackendAdapter

SUPPORTED = {"rknn", "rk3588"}


def supports(platform, config):
    return platform in SUPPORTED


def activate(platform, config):
    return True


def register_backend() -> BackendAdapter:
    return BackendAdapter(name="rknn", supports=supports, activate=activate)
