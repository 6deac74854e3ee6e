# entry point: lru_cached_factory:register
# not evaluable: `register` is asynchronous, generic or decorated
from functools import lru_cache

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


@lru_cache(maxsize=None)
def register() -> PluginSpec:  # here
    return PluginSpec(name="cached_once", activate=activate)
