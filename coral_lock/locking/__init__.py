"""From an inventory and a descriptor to a lock, or to every reason why there is none."""
