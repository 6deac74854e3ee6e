"""Imports out of proved lists: what isn't listed isn't there, what runs was hashed."""
