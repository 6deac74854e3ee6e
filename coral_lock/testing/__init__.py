"""What authors test their plugins with: fixtures that pytest finds by itself."""
