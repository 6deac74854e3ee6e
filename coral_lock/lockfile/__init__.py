"""The lock: as a value, as a mapping, as text, and as a file."""
