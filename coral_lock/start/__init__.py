"""Starting plugins: verified against a lock, or live."""
