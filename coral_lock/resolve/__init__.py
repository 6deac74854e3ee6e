"""From an inventory and a descriptor to a lock, or to all that stands in its way."""
