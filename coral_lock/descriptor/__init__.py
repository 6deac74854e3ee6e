"""The descriptor: what a deployment asks its runtime to run."""
