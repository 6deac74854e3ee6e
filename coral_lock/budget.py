"""Limits on inspecting plugins: counts, so that a slow machine finds what a fast one does.

An unreviewed distribution may be made to take hours or gigabytes. What is read of it, evaluated
and probed is counted, for it alone and for all of a run together.
"""

from __future__ import annotations

from collections.abc import Callable

from coral_lock.errors import CoralLockError, InputError

LIMITS = {"bytes": 512 << 10, "steps": 2_000_000, "probes": 100}
"""What a distribution may cost: bytes of sources and manifests that are read, each of which can
become a kilobyte of syntax tree; steps of the evaluation of its sources, some seconds; and probes
of its entry points."""

RUN_FACTOR = 64
"""How many times what a distribution may cost all of a run may."""

_COSTS = {
    "bytes": "bytes of sources and manifests to read",
    "steps": "steps of evaluating sources",
    "probes": "entry points to probe",
}


class OverBudgetError(InputError):
    """Inspecting a distribution exceeds a limit; the message says which, as a phrase."""


class RunOverBudgetError(CoralLockError):
    """Inspecting all distributions together exceeds a limit."""


class Budget:
    """What a run may cost, or a distribution of a run.

    Args:
        run: the budget of the run, None for that itself.
        location: where the distribution is, for a message.
    """

    def __init__(self, run: Budget | None = None, location: str = "") -> None:
        self._run = run
        self._location = location
        self._spent = dict.fromkeys(LIMITS, 0)

    def spend(self, cost: str, amount: int = 1, *, location: str = "") -> None:
        """Count `bytes`, `steps` or `probes`, which count for the run as well.

        Raises:
            OverBudgetError: they are too many for the distribution.
            RunOverBudgetError: they are too many for the run.
        """
        self._spent[cost] += amount
        limit = LIMITS[cost] if self._run else LIMITS[cost] * RUN_FACTOR
        if self._spent[cost] > limit:
            too_much = f"more than {limit:,} {_COSTS[cost]}"
            if self._run:
                raise OverBudgetError(f"the distribution has {too_much}")
            raise RunOverBudgetError(
                f"the plugins of all distributions together have {too_much}",
                where=location or None,
                hint="have their authors ship manifests (`coral-runtime manifest compile`), or "
                "lock from fewer wheels",
            )
        if self._run:
            self._run.spend(cost, amount, location=self._location)

    def reading(self, read_source: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
        """Return `read_source`, with what it returns counted; it raises what `spend` does."""

        def read(path: str) -> bytes | None:
            content = read_source(path)
            if content:
                self.spend("bytes", len(content))
            return content

        return read
