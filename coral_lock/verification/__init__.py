"""Whether this machine is exactly what was reviewed."""
