"""A callback of Ansible that writes what each task came to on each host, one JSON object a line."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorded
type: stdout
short_description: Write results to the file that RECORDED_RESULTS names
description: For tests.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "recorded"

    def _write(self, status: str, outcome: Any) -> None:
        line = {
            "host": outcome._host.get_name(),
            "task": outcome._task.get_name(),
            "action": outcome._task.action,
            "status": status,
            "result": outcome._result,
        }
        with open(os.environ["RECORDED_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)

    def v2_on_file_diff(self, result: Any) -> None:
        print(self._get_diff(result._result.get("diff") or {}))
