"""Locks as files: each folder is a wheelhouse, a descriptor, and the lock that comes of them."""
