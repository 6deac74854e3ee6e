"""Reproducible, reviewable plugin loading for Coral Runtime.

The functions do what the commands of the same names do; see `coral_lock.api`.
"""

from coral_lock.api import StartError, diff, init, lock, verify
from coral_lock.errors import CoralLockError
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.plugin.spec import BackendAdapter, PluginSpec

__all__ = [
    "BackendAdapter",
    "CoralLockError",
    "PluginSpec",
    "RuntimeConfig",
    "StartError",
    "diff",
    "init",
    "lock",
    "read_lock",
    "verify",
    "write_lock",
]
