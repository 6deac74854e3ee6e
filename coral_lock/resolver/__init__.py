"""Choosing one version of each distribution where there are several to choose from."""
