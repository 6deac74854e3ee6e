"""Wheels that nobody installed: opened within bounds, hashed, and chosen for a target."""
