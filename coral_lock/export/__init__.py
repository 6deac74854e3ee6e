"""From a lock and its wheels to files from which pip and uv install."""
