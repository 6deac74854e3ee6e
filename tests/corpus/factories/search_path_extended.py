# entry point: search_path_extended:register
# not evaluable: `.path` can change what names stand for
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "vendor"))  # here

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens", activate=activate)
