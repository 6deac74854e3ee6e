# entry point: old_style_activate:activate
# plugin: {"name": "entry-point-name"}
import sys


def activate(config):
    """The old way: no spec at all."""
    setattr(sys, "_acme", config)
    return True
