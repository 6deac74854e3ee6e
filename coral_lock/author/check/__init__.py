"""Checks for the authors of plugins: each takes plain data and returns sorted findings."""
