"""Bringing the host up so that it finds what the lock names, and reading what it says of itself."""
