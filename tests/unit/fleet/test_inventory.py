"""Which devices there should be, from a list of hosts and from Ansible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coral_lock.errors import InputError, ProblemsError
from coral_lock.fleet.inventory import read_inventory

ANSIBLE = {
    "_meta": {
        "hostvars": {
            "edge-0001": {"coral_device_id": "site:4", "serial": 12345678901},
            "edge-0002": {"ansible_host": "192.0.2.7"},
        }
    },
    "all": {"children": ["ungrouped", "hall"]},
    "hall": {"hosts": ["edge-0001", "edge-0002"], "children": ["all"], "vars": {}},
    "ungrouped": {"hosts": ["edge-0003"]},
    "listed": ["edge-0004"],
}


def _read(tmp_path: Path, content: Any) -> dict[str, str]:
    path = tmp_path / "hosts"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode())
    return dict(read_inventory(str(path)).devices)


def test_a_list_of_hosts(tmp_path: Path) -> None:
    text = "\ufeff# all of them\r\nedge-0002  # in the hall\r\n\r\n  edge-0001\nedge-0002\n"
    assert _read(tmp_path, text) == {"edge-0001": "edge-0001", "edge-0002": "edge-0002"}


def test_an_inventory_of_ansible(tmp_path: Path) -> None:
    assert _read(tmp_path, ANSIBLE) == {
        "edge-0001": "site:4",
        "edge-0002": "edge-0002",
        "edge-0003": "edge-0003",
        "edge-0004": "edge-0004",
    }


def test_hosts_that_cannot_be_devices_are_named_together(tmp_path: Path) -> None:
    hosts = {"a": {"coral_device_id": "b"}, "b": {}, "c d": {}, "e": {"coral_device_id": 5}}
    with pytest.raises(ProblemsError) as caught:
        _read(tmp_path, {"_meta": {"hostvars": hosts}})
    path = tmp_path / "hosts"
    assert [(each.message, each.found, each.where) for each in caught.value.problems] == [
        ("two hosts are the device `b`", "`a` and `b`", f'{path}: _meta.hostvars["b"]'),
        ("`c d` can't be the id of a device", "`c d`", f'{path}: _meta.hostvars["c d"]'),
        ("`e` can't be the id of a device", "`5`", f'{path}: _meta.hostvars["e"]'),
    ]
    with pytest.raises(ProblemsError, match="the inventory can't be used: 80 more problems"):
        _read(tmp_path, "".join(f"host {number}\n" for number in range(100)))


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("# INI\n[edge]\nedge-0001 ansible_host=192.0.2.7\n", 2, "`[edge]`"),
        ("edge-0001 ansible_host=192.0.2.7\n", 1, "`edge-0001 ansible_host=192.0.2.7`"),
        ("---\nall:\n  hosts:\n    edge-0001:\n", 1, "`---`"),
        ("all:\n  hosts:\n    edge-0001:\n", 1, "`all:`"),
        ('["edge-0001"]\n', 1, '`["edge-0001"]`'),
        ('  "edge-0001": {}\n}\n', 1, '`"edge-0001": {}`'),
        ("host,site\n", 1, "`host,site`"),
    ],
)
def test_another_format_is_one_problem(tmp_path: Path, text: str, line: int, found: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    error = caught.value
    assert error.message == "the inventory isn't one that is known here"
    expected = "a plain list, one host a line, or the output of `ansible-inventory --list`"
    assert (error.expected, error.found) == (expected, found)
    assert error.where == f"{tmp_path / 'hosts'}:{line}"
    assert error.hint == (
        "`ansible-inventory --list --output hosts.json` writes one of any inventory of Ansible"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the inventory isn't JSON: expecting property name"),
        ('{"all": {}, "all": {}}', "the inventory isn't JSON: the key `all` appears twice"),
        ({"_meta": []}, "the inventory isn't one of Ansible"),
        ({"_meta": {"hostvars": []}}, "the inventory isn't one of Ansible"),
        ({"all": {"hosts": "edge-0001"}}, "the inventory isn't one of Ansible"),
        ({"all": "edge-0001"}, "the inventory isn't one of Ansible"),
    ],
)
def test_a_file_that_is_no_inventory(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, content)
    assert caught.value.message.startswith(message)


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_inventory(str(tmp_path / "hosts"))
    assert caught.value.message == "there is no inventory"
    (tmp_path / "hosts").write_bytes(b"edge\n\xff\n")
    with pytest.raises(InputError) as caught:
        read_inventory(str(tmp_path / "hosts"))
    assert (caught.value.message, caught.value.where) == (
        "the inventory isn't UTF-8",
        f"{tmp_path / 'hosts'}:2",
    )
