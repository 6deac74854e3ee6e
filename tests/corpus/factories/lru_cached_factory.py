# entry point: lru_cached_factory:register
# not evaluable: a decorator may change `register`
from functools import lru_cache

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


@lru_cache(maxsize=None)  # here
def register() -> PluginSpec:
    return PluginSpec(name="cached_once", activate=activate)
