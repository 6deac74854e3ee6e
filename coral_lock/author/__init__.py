"""What the author of a plugin works with: the project, its manifest, its checks."""
