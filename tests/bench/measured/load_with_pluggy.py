"""Loads and activates the plugins of a group with pluggy."""

import os
import sys

from pluggy import PluginManager

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "host"))
manager = PluginManager("bench")
manager.load_setuptools_entrypoints(sys.argv[1])
activated = [
    factory().activate({}) for _, factory in manager.list_name_plugin() if callable(factory)
]
sys.exit(0 if activated == [True] * int(sys.argv[2]) else 1)
