"""What a device says of its starts to whoever gathers the reports of many."""
