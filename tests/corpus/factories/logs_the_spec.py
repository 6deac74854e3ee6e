# entry point: logs_the_spec:register
# plugin: {"name": "chatty", "description": "Says what it does"}
import logging

from coral_inference.runtime.plugins import PluginSpec

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


def activate(config):
    logger.info("activated for %s", config.platform)
    return True


def register():
    logger.debug("registering")
    spec = PluginSpec(name="chatty", activate=activate, description="Says what it does")
    logger.info("registered %s (%s)", spec.name, f"{spec.description}")
    return spec
