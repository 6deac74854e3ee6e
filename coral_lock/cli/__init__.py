"""The `coral-runtime` command."""
