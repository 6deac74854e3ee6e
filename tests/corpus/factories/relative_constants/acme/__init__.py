"""Plugins of Acme."""
