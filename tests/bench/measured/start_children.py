"""Runs under a lock and starts Python processes that import nothing, with and without the lock.

The argument is how many of each; standard output has the milliseconds that a process under the
lock takes longer, pair by pair.
"""

import os
import subprocess
import sys
from time import perf_counter

WORDS = (sys.executable, "-c", "pass")
without = {name: value for name, value in os.environ.items() if name != "CORAL_LOCK_RUN"}


def milliseconds(environment: dict[str, str]) -> float:
    started = perf_counter()
    subprocess.run(WORDS, env=environment, check=True)
    return (perf_counter() - started) * 1e3


for _ in range(int(sys.argv[1])):
    print(milliseconds(dict(os.environ)) - milliseconds(without))
