"""Which devices there should be: a list of hosts, or what `ansible-inventory --list` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coral_lock.errors import InputError, ProblemsError, printable, quoted, shortened
from coral_lock.fleet.report import RejectedReportError, strict_json
from coral_lock.safe_files import read_named_file

DEVICE_VARIABLE = "coral_device_id"
"""The variable of a host whose device has another id than the host's name."""

_MAX_BYTES = 256 << 20
_DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_MAX_PROBLEMS = 20

_OTHER_FORMAT = re.compile(r"[\[\]{}()=\"',<>]|^-|:$")
"""What no list of hosts has in a line, but INI, YAML, TOML, XML and half of a JSON have."""

_HINT = "`ansible-inventory --list --output hosts.json` writes one of any inventory of Ansible"


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetInventory:
    """The devices that must report.

    Attributes:
        devices: the id of each device by the name of its host, in the order of names.
        hosts: the name of each host by the id of its device.
    """

    devices: Mapping[str, str]
    hosts: Mapping[str, str]


def read_inventory(path: str) -> FleetInventory:
    """Return the inventory that a file is.

    It is what `ansible-inventory --list` prints, if it starts with a brace. Else it has a host a
    line; empty lines and what follows `#` don't count.

    Raises:
        InputError: it can't be read.
        ProblemsError: hosts in it can't be devices, or two are the same device.
    """
    content = read_named_file(
        path,
        _MAX_BYTES,
        what="inventory",
        hint="write one with `ansible-inventory --list --output hosts.json`, or list the hosts",
    )
    if content.lstrip()[:1] == b"{":
        found = list(_of_ansible(content, path))
    else:
        found = list(_of_lines(content, path))
    problems: list[InputError] = []
    devices: dict[str, str] = {}
    hosts: dict[str, str] = {}
    for host, device, where in found:
        if not isinstance(device, str) or not _DEVICE_ID.fullmatch(device):
            problems.append(
                InputError(
                    f"{quoted(host)} can't be the id of a device",
                    expected="letters, digits, `.`, `_`, `:` and `-`, at most 128 of them",
                    found=quoted(str(device)),
                    where=where,
                    hint=f"give the host a variable `{DEVICE_VARIABLE}`",
                )
            )
        elif hosts.setdefault(device, host) != host:
            problems.append(
                InputError(
                    f"two hosts are the device `{device}`",
                    found=f"{quoted(hosts[device])} and {quoted(host)}",
                    where=where,
                )
            )
        else:
            devices[host] = device
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        message = "the inventory can't be used" + (f": {more} more problems" if more > 0 else "")
        raise ProblemsError(message, tuple(problems[:_MAX_PROBLEMS]))
    return FleetInventory(devices=dict(sorted(devices.items())), hosts=hosts)


def _of_lines(content: bytes, path: str) -> Iterator[tuple[str, Any, str]]:
    text = _decoded(content, path)
    for number, line in enumerate(text.split("\n"), 1):
        host = line.partition("#")[0].strip()
        if _OTHER_FORMAT.search(host):
            raise InputError(
                "the inventory isn't one that is known here",
                expected="a plain list, one host a line, or the output of "
                "`ansible-inventory --list`",
                found=quoted(host),
                where=f"{path}:{number}",
                hint=_HINT,
            )
        if host:
            yield host, host, f"{path}:{number}"


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError("the inventory isn't UTF-8", where=f"{path}:{line}") from None


def _of_ansible(content: bytes, path: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the hosts of all groups, which is where Ansible lists each of them."""
    try:
        document = strict_json(content)
    except RejectedReportError as error:
        raise InputError(
            f"the inventory isn't JSON: {shortened(error.reason)}",
            expected="a plain list, one host a line, or the output of `ansible-inventory --list`",
            where=path,
            hint=_HINT,
        ) from None
    meta = document.get("_meta", {})
    variables = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    groups = [group for name, group in document.items() if name != "_meta"]
    # A group without children and variables may be the list of its hosts.
    members = [group.get("hosts", []) if isinstance(group, dict) else group for group in groups]
    if not isinstance(variables, dict) or not all(isinstance(each, list) for each in members):
        raise InputError(
            "the inventory isn't one of Ansible",
            expected="groups with `hosts` and `children`, and `_meta.hostvars`",
            where=path,
            hint=_HINT,
        )
    names = {*variables, *(str(host) for hosts in members for host in hosts)}
    for host in sorted(names):
        own = variables.get(host)
        device = own.get(DEVICE_VARIABLE, host) if isinstance(own, dict) else host
        yield host, device, f'{path}: _meta.hostvars["{printable(shortened(host))}"]'
