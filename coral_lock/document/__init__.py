"""Strict documents: YAML and JSON as plain data whose every value knows its place."""
