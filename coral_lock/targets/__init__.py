"""The kinds of machines that a lock is made for, and which of them this machine is."""
