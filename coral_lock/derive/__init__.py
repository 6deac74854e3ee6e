"""From what a user names to a lock: opens inventories, chooses versions, resolves, combines."""
