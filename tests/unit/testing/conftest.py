"""The fixtures for authors of plugins, whether or not pytest finds them by their entry point."""

from coral_lock.testing.pytest_plugin import coral_activation, coral_config, coral_host

__all__ = ["coral_activation", "coral_config", "coral_host"]
