"""The metrics of a report, for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from coral_lock.errors import WriteError
from coral_lock.safe_files import open_regular_file, write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from coral_lock.reporting import DeviceReport

    Sample = tuple[Mapping[str, str], float | int]

_PREFIX = "coral_lock_"
_FIRST = f"# HELP {_PREFIX}"
_MODE = 0o644
_ELSEWHERE = "name a file in a directory that this user can write to with `--textfile FILE`"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

OUTCOMES = ("started", "failed", "refused", "verified", "unfinished", "holds", "deviates")
STATUSES = ("activated", "failed", "refused", "unsupported", "not-run")


def write_textfile(path: str, report: DeviceReport) -> None:
    """Replace a textfile by the metrics of a report, readable for all.

    The collector reads any `*.prom` of its directory at any time, and never half of this one: the
    file that is written first has another name.

    Raises:
        WriteError: it can't be written, or what is there isn't a textfile of ours.
    """
    try:
        if os.path.islink(path):
            raise _unwritable(path, "it is a link")
        with open_regular_file(path, follows_links=False) as (descriptor, _):
            start = os.read(descriptor, len(_FIRST))
    except FileNotFoundError:
        start = b""
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None
    if start not in (b"", _FIRST.encode("ascii")):
        raise _unwritable(path, "it is a file of something else")
    try:
        write_durably(path, metrics_of(report), mode=_MODE)
    except WriteError as error:
        raise WriteError(error.message, hint=_ELSEWHERE) from None
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None


def _unwritable(path: str, reason: str) -> WriteError:
    return WriteError(f"`{path}` can't be written: {reason}", hint=_ELSEWHERE)


def metrics_of(report: DeviceReport) -> str:
    """Return the metrics of a report in Prometheus' text format, version 0.0.4."""
    lines = []
    for name, meaning, samples in _metrics(report.to_dict()):
        lines += [f"# HELP {_PREFIX}{name} {meaning}", f"# TYPE {_PREFIX}{name} gauge"]
        lines += [f"{_PREFIX}{name}{_labels(labels)} {value!r}" for labels, value in samples]
    return "".join(f"{line}\n" for line in lines)


def _metrics(document: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Sample]]]:
    lock, plugins = document["lock"], document["plugins"]
    accepted = lock["accepted"] or {"channel": "", "serial": ""}
    information = {
        "device": document["device"],
        "sha256": lock["sha256"] or "",
        "channel": accepted["channel"],
        "serial": str(accepted["serial"]),
        "version": document["tool_version"],
        "command": document["command"],
        "target": lock["target"] or "",
    }
    yield "info", "The lock, the device and the version of coral-lock.", [(information, 1)]
    yield (
        "outcome",
        "1 for the outcome of the last start or verification, 0 for the others.",
        [({"outcome": each}, int(document["outcome"] == each)) for each in OUTCOMES],
    )
    yield (
        "report_timestamp_seconds",
        "When this was written, in seconds since 1970 by the device's clock.",
        [({}, round(time.time(), 3))],
    )
    if document["exit_code"] is not None:
        yield "exit_code", "What the command ended with.", [({}, document["exit_code"])]
    totals = document["findings_total"]
    yield (
        "findings",
        "The deviations from the lock.",
        [({"severity": each}, totals[each]) for each in ("error", "warning")],
    )
    yield (
        "uncovered_children",
        "The kinds of process that couldn't be put under the lock.",
        [({}, document["uncovered_children"])],
    )
    yield (
        "plugins",
        "The plugins of the lock by what became of them.",
        [
            ({"status": each}, sum(plugin["status"] == each for plugin in plugins))
            for each in STATUSES
        ],
    )


def _labels(labels: Mapping[str, str]) -> str:
    pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""
