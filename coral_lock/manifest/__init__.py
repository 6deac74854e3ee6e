"""`coral_plugin.yaml`: what a distribution declares of its plugins, without running them."""
