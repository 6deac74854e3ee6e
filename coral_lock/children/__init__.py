"""Keeping the Python processes that a program starts under the program's own lock."""
