"""The reports of many devices: gathered, summarized, kept, and compared with a new lock."""
