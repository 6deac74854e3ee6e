# entry point: yields_specs:register
# plugin: {"name": "decode"}
# plugin: {"name": "encode"}
from collections.abc import Iterator

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register() -> Iterator[PluginSpec]:
    yield PluginSpec(name="decode", activate=activate)
    yield PluginSpec(name="encode", activate=activate)
