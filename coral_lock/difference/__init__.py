"""What changed between two locks, and how it is told."""
