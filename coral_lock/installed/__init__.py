"""What is installed on this machine, read without `importlib.metadata`."""
