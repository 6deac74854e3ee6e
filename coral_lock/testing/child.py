"""The program that a fresh interpreter runs for `coral_activation`; nothing imports it.

Standard input holds two pickles: the `sys.path`, and the plan of the start. It activates the
plan's plugins and prints the report as `coral-runtime init` does.
"""

from __future__ import annotations

import os
import pickle
import sys


def main() -> int:
    """Activate what standard input holds and print the report; return the exit code."""
    sys.path[:] = pickle.load(sys.stdin.buffer)
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if package not in sys.path:
        sys.path.append(package)

    from coral_lock import canonical_json
    from coral_lock.start.gate import activate
    from coral_lock.start.process import StdoutGuard

    guard = StdoutGuard()
    report = activate(pickle.load(sys.stdin.buffer))
    guard.write_document(canonical_json.write(report.to_dict()))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
