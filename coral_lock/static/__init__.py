"""Learning what an entry point yields from its source, without running it."""
