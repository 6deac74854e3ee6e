"""What commands found, in the formats of people, forges and programs."""
