"""A connection of Ansible to a device here whose power fails after so many commands."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: powered
short_description: Lose the device
description: For tests.
options:
  meter:
    description: A file that gets a byte for each command.
    type: path
    vars:
      - name: power_meter
  commands:
    description: How many commands the power lasts for.
    type: int
    vars:
      - name: power_commands
  seconds:
    description: How long it then lasts within the next one.
    type: float
    default: 0
    vars:
      - name: power_seconds
"""


class Connection(LocalConnection):  # type: ignore[misc]
    transport = "powered"

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        with open(self.get_option("meter"), "ab") as meter:
            meter.write(b".")
            used = meter.tell()
        last = self.get_option("commands")
        if last is not None and used > last:
            if used == last + 1 and self.get_option("seconds"):
                self._begin(cmd, in_data)
            raise AnsibleConnectionFailure("the device lost its power")
        done: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data, sudoable)
        return done

    def _begin(self, command: str, in_data: bytes | None) -> None:
        """Run a command for a while, and end all that it has started."""
        process: subprocess.Popen[Any] = subprocess.Popen(
            command,
            shell=True,
            executable="/bin/sh",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(in_data, timeout=self.get_option("seconds"))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
