"""The collection `coral.runtime`, with the real Ansible, on hosts that are directories here."""

from __future__ import annotations

import ast
import json
import shutil
import socket
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import MakeDevice
from tests.support.controller import COLLECTION, HAS_ANSIBLE, MODULE, ROLE, WHY_NOT, Controller
from tests.support.deployment import DESCRIPTOR
from tests.support.environments import create_environment

pytestmark = pytest.mark.skipif(not HAS_ANSIBLE, reason=WHY_NOT)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller.make(tmp_path_factory.mktemp("controller"))


def test_the_collection_is_built_of_all_its_files_and_of_nothing_else(
    controller: Controller,
) -> None:
    listed = json.loads((controller.collection / "FILES.json").read_text(encoding="utf-8"))
    files = {each["name"] for each in listed["files"] if each["ftype"] == "file"}
    here = {path.relative_to(COLLECTION).as_posix() for path in COLLECTION.rglob("*.*")}
    assert files == {path for path in here if "__pycache__" not in path} - {"galaxy.yml"}


def test_the_documentation_of_the_module_is_whole(controller: Controller) -> None:
    documented = controller.command("ansible-doc", "--json", MODULE).require(0).json()[MODULE]
    source = (COLLECTION / "plugins/modules/coral_lock.py").read_text(encoding="utf-8")
    # Devices that Ansible reaches may have an older Python for modules than for Coral Runtime.
    tree = ast.parse(source, feature_version=(3, 8))
    (specification,) = [
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "argument_spec"
    ]
    options = {
        name: {key: value for key, value in option.items() if key != "description"}
        for name, option in documented["doc"]["options"].items()
    }
    assert options == ast.literal_eval(specification)
    for task in yaml.safe_load(documented["examples"]):
        assert set(task.get(MODULE, {})) <= set(options)


def test_the_documentation_of_the_role_is_its_defaults(controller: Controller) -> None:
    role = COLLECTION / "roles" / "runtime"
    documented = controller.command("ansible-doc", "-t", "role", "--json", ROLE).require(0).json()
    main = documented[ROLE]["entry_points"]["main"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    assert {name: option["default"] for name, option in main["options"].items()} == defaults


@pytest.mark.parametrize("name", ["compare", "roll_out"])
def test_the_playbooks_can_be_run(name: str, controller: Controller) -> None:
    words = ("ansible-playbook", "-i", "coral,", "--syntax-check", f"coral.runtime.{name}")
    controller.command(*words).require(0)


def test_a_stage_that_fails_is_the_last_one(controller: Controller, tmp_path: Path) -> None:
    path = controller.collection / "playbooks" / "roll_out.yml"
    ((play,),) = [yaml.safe_load(path.read_text(encoding="utf-8"))]
    lock = tmp_path / "coral.lock"
    lock.touch()
    play["vars"] = {"runtime_lock": str(lock), "runtime_python": str(tmp_path / "absent")}
    del play["become"]
    run = controller.play({**play, "hosts": "all"}, {f"gate-{number}": {} for number in range(12)})
    run.require(2)
    assert {each.host: each.status for each in run.results} == {"gate-0": "failed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Hosts of one kind: their part of 200, their variables, and what each has to come to."""

    count: int
    variables: dict[str, Any]
    status: str
    message: str
    exit_code: int | None = None
    codes: tuple[str, ...] = ()


@pytest.fixture
def fleet(device: MakeDevice, tmp_path: Path) -> dict[str, Kind]:
    """Hosts of which most have something wrong; those of a kind share an environment."""
    healthy, tampered = device("my-package==1.0.0"), device("my-package==1.0.0")
    healthy.write("runtime.yaml", DESCRIPTOR)
    healthy.locked("-c", "runtime.yaml")
    stale = tmp_path / "stale.lock"
    stale.write_text(
        healthy.lock_path.read_text(encoding="utf-8").replace(
            '"version": "1.0.0"', '"version": "1.1.0"'
        ),
        encoding="utf-8",
    )
    victim = tampered.site_packages / "my_package" / "coral_plugins.py"
    victim.write_text(victim.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    bare = create_environment(tmp_path / "bare")
    strange = create_environment(tmp_path / "strange")
    (strange.site_packages / "coral_lock.py").write_text(STRANGE, encoding="utf-8")
    lock, absent = str(healthy.lock_path), str(tmp_path / "absent")
    python = str(healthy.environment.python)
    warnings = ("host-unverified", "host-unverified")
    return {
        "healthy": Kind(
            count=25,
            variables={"python": python, "lock": lock},
            status="ok",
            message="",
            exit_code=0,
            codes=warnings,
        ),
        "tampered": Kind(
            count=15,
            variables={"python": str(tampered.environment.python), "lock": lock},
            status="failed",
            message=f"bytes differ from {lock}: digest-mismatch; the first: "
            "`my_package/coral_plugins.py` of `my-package` isn't the file that was locked",
            exit_code=3,
            codes=("digest-mismatch", *warnings),
        ),
        "stale": Kind(
            count=10,
            variables={"python": python, "lock": str(stale)},
            status="failed",
            message=f"the device deviates from {stale}: version-drift; the first: "
            "`my-package` has another version than the lock",
            exit_code=1,
            codes=("version-drift", *warnings),
        ),
        "unlocked": Kind(
            count=8,
            variables={"python": python, "lock": absent},
            status="failed",
            message=f"there is no lock at {absent}",
        ),
        "bare": Kind(
            count=8,
            variables={"python": str(bare.python), "lock": lock},
            status="failed",
            message=f"coral-lock isn't installed for {bare.python}",
            exit_code=1,
        ),
        "empty": Kind(
            count=8,
            variables={"python": absent, "lock": lock},
            status="failed",
            message=f"there is no Python at {absent}: name that of the environment",
        ),
        **{
            name: Kind(
                count=2,
                variables={"python": str(strange.python), "lock": lock, "target": name},
                status="failed",
                message=message,
                exit_code=exit_code,
            )
            for name, (message, exit_code) in STRANGE_ANSWERS.items()
        },
        "unreachable": Kind(
            count=118,
            variables=_unreachable(tmp_path),
            status="unreachable",
            message="",
        ),
    }


STRANGE = """
import sys, time

kind = sys.argv[sys.argv.index("--target") + 1] if "--target" in sys.argv else "version"
if kind == "version":
    print("coral-runtime of coral-lock 0.0.1")
elif kind == "old":
    sys.exit("error: no such option: `--target`")
elif kind == "babbles":
    print("\\033[31mhello")
elif kind == "floods":
    while True:
        print("x" * 100_000)
elif kind == "hangs":
    time.sleep(600)
"""
STRANGE_ANSWERS = {
    "old": (
        "coral-runtime of coral-lock 0.0.1 on the device is too old for this collection: "
        "error: no such option: `--target`",
        1,
    ),
    "babbles": ("`verify` printed nothing that can be read", 0),
    "floods": ("`verify` printed more than 16777216 bytes", None),
    "hangs": ("`verify` took longer than 2 seconds", None),
}


def _unreachable(directory: Path) -> dict[str, Any]:
    """Return the variables of a host that can't be reached."""
    if shutil.which("ssh") is None:
        meter = str(directory / "meter")
        return {"ansible_connection": "powered", "power_commands": 0, "power_meter": meter}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        closed = listener.getsockname()[1]
    return {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": closed,
        "ansible_ssh_common_args": "-F none -o ConnectTimeout=5",
    }


@pytest.mark.parametrize("total", [12, pytest.param(200, marks=pytest.mark.long)])
def test_no_host_is_missing_from_the_result(
    controller: Controller, fleet: dict[str, Kind], tmp_path: Path, total: int
) -> None:
    counts = {name: max(1, kind.count * total // 200) for name, kind in fleet.items()}
    hosts = {
        f"{name}-{number}": {**fleet[name].variables, "state": str(tmp_path / f"{name}-{number}")}
        for name, count in counts.items()
        for number in range(count)
    }
    assert len(hosts) >= total
    options = {
        **{name: f"{{{{ {name} | default(omit) }}}}" for name in ("lock", "python", "target")},
        "device_id": "{{ inventory_hostname }}",
        "state_dir": "{{ state }}",
        "reports": "{{ target is undefined }}",
        "timeout": "{{ 2 if target | default('') == 'hangs' else 300 }}",
    }
    gathered = tmp_path / "gathered"
    store = {"name": ROLE, "tasks_from": "store"}
    goes_on = {"ignore_errors": True, "ignore_unreachable": True}
    tasks = [
        {MODULE: options, "register": "runtime_comparison", **goes_on},
        {"ansible.builtin.import_role": store, "vars": {"runtime_reports": str(gathered)}},
    ]
    run = controller.play({"tasks": tasks}, hosts)
    run.require(0)
    compared = [each for each in run.results if each.action == MODULE]
    found = Counter(
        (
            each.host.partition("-")[0],
            each.status,
            # What ssh says of it differs, and Ansible's words around it do, too.
            "" if each.status == "unreachable" else each.result.get("msg", ""),
            each.result.get("exit_code"),
            tuple(finding["code"] for finding in each.result.get("findings", ())),
            each.result.get("changed", False),
        )
        for each in compared
    )
    assert found == {
        (name, kind.status, kind.message, kind.exit_code, kind.codes, False): counts[name]
        for name, kind in fleet.items()
    }
    assert {each.host for each in compared} == set(hosts)
    (tampered,) = {
        (each.result["diff"]["before"], each.result["diff"]["after"], each.result["findings_total"])
        for each in compared
        if each.host.startswith("tampered-")
    }
    where = "digest-mismatch my_package/coral_plugins.py: t1:"
    assert tampered[0].startswith(where)
    assert tampered[1].startswith(where)
    assert tampered[0] != tampered[1]
    assert tampered[2] == 3
    outcomes = {"healthy": "holds", "tampered": "deviates", "stale": "deviates"}
    assert {
        path.name: [
            (report["device"], report["outcome"], report["exit_code"])
            for report in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        ]
        for path in gathered.iterdir()
    } == {
        f"{name}-{number}.ndjson": [(f"{name}-{number}", outcome, fleet[name].exit_code)]
        for name, outcome in outcomes.items()
        for number in range(counts[name])
    }
