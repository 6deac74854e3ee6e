"""Learning what an entry point yields by running it in a fresh interpreter."""
