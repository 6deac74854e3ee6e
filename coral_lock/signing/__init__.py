"""Signed locks: keys, signatures, and what a device has accepted."""
