"""Imports from verified file lists: only listed files are found, and only hashed bytes run."""
