# entry point: unrelated_globals:register
# plugin: {"name": "counter", "description": "Count activations"}
from coral_inference.runtime.plugins import PluginSpec

_count = 0
_seen = []
for _word in ("a", "b"):
    _seen.append(_word)


def _bump():
    global _count
    _count += 1


def activate(config):
    _bump()
    return True


def register():
    _bump()
    return PluginSpec(name="counter", activate=activate, description="Count activations")
