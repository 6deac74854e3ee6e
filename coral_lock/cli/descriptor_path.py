"""Which descriptor a command reads: the one that is named, or the one that is here."""

from __future__ import annotations

import os

from coral_lock.errors import UsageError
from coral_lock.messages import say

DEFAULT_DESCRIPTOR = "runtime.yaml"


def descriptor_path(config: str | None, no_config: bool) -> str | None:
    """Return the path of the descriptor's file, None for none.

    Where none is named, that is the `runtime.yaml` of the working directory, and standard
    error says that it is used.

    Args:
        config: what `--config` names, or None.
        no_config: whether `--no-config` is given.

    Raises:
        UsageError: both are.
    """
    if config is not None and no_config:
        raise UsageError(
            "`--config` and `--no-config` are mutually exclusive", hint="leave one of them out"
        )
    if config is not None or no_config or not os.path.lexists(DEFAULT_DESCRIPTOR):
        return config
    say(f"using `{DEFAULT_DESCRIPTOR}`; `--no-config` leaves it out")
    return DEFAULT_DESCRIPTOR
