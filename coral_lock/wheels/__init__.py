"""Wheels that aren't installed: opened within bounds, hashed, and chosen for a target."""
