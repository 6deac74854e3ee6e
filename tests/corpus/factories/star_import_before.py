# entry point: star_import_before:register
# plugin: {"name": "constants_after"}
from math import *

from coral_inference.runtime.plugins import PluginSpec

NAME = "constants_after"


def activate(config):
    return pi > 3


def register():
    return PluginSpec(name=NAME, activate=activate)
