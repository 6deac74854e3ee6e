NAME = "spacious"
