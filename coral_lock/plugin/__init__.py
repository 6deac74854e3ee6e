"""What a plugin is: its spec, its facts, and the configuration that it gets."""
