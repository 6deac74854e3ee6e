"""The program that a fresh interpreter runs for `coral_activation`; nothing imports it.

It reads what to do from standard input as JSON, activates the plugins, and prints the
report as `coral-runtime init` does.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """Activate what standard input says and print the report; return the exit code."""
    request = json.loads(sys.stdin.buffer.read())
    sys.path[:] = request["path"]
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if package not in sys.path:
        sys.path.append(package)

    from coral_lock import canonical_json
    from coral_lock.finding import Finding
    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.start.gate import activate
    from coral_lock.start.plan import StartPlan
    from coral_lock.start.process import StdoutGuard

    guard = StdoutGuard()
    config = RuntimeConfig()
    vars(config).update(request["config"])
    starting = StartPlan(
        plugins=tuple(LockedPlugin(**_with_tuples(fields)) for fields in request["plugins"]),
        versions=request["versions"],
        config=config,
        lock=None,
        findings=tuple(Finding(**fields) for fields in request["findings"]),
        messages=(),
    )
    report = activate(starting)
    guard.write_document(canonical_json.write(report.to_dict()))
    return report.exit_code


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, whose lists came out of JSON."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }


if __name__ == "__main__":
    sys.exit(main())
