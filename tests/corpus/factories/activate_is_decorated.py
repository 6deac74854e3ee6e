# entry point: activate_is_decorated:register
# plugin: {"name": "timed"}
import functools
import time

from coral_inference.runtime.plugins import PluginSpec


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            print(time.perf_counter() - start)

    return wrapper


@timed
def activate(config):
    return True


def register():
    return PluginSpec(name="timed", activate=activate)
