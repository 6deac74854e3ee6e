"""The role `coral.runtime.runtime`, with the real Ansible, on hosts that are directories here."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.controller import HAS_ANSIBLE, MODULE, ROLE, WHY_NOT, Controller, Run
from tests.support.deployment import Host, Releases

pytestmark = [pytest.mark.long, pytest.mark.skipif(not HAS_ANSIBLE, reason=WHY_NOT)]


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller.make(tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="module")
def releases(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases.make(tmp_path_factory.mktemp("releases"), wheelhouse)


def test_the_role_deploys_and_goes_back_where_the_start_fails(
    controller: Controller, releases: Releases, tmp_path: Path
) -> None:
    first, second = map(releases.id, ("first", "second"))
    host, gathered = Host(root=tmp_path / "device"), tmp_path / "gathered"

    def run_role(name: str, *options: str, **variables: Any) -> Run:
        given = {**releases.variables(name), **host.variables, "runtime_reports": str(gathered)}
        given |= variables
        return controller.play({"roles": [ROLE]}, {"gate-1": given}, *options)

    begin = "Look for the release of this lock, and begin it where it isn't whole"

    run = run_role("first", "--check").require(0)
    assert run.changed() == [("gate-1", begin)]
    assert not host.root.exists()

    host.root.mkdir()
    run = run_role("first").require(0)
    assert [task for _, task in run.changed()] == [
        begin,
        "Bring the lock",
        "Bring the wheels",
        "Install coral-lock, and then exactly what the lock pins",
        "Bring the signatures",
        "Accept the lock, and let the one before still start",
        "Switch to the release",
        "Start from the lock",
        "Note that the release has started, and remove old ones",
    ]
    assert host.links() == {"current": first}
    assert host.start() == 0

    assert run_role("first").require(0).changed() == []

    # A start that fails: the descriptor contradicts the lock.
    contradiction = ["--set", "platform=other"]
    run = run_role("second", runtime_start_options=contradiction).require(2)
    assert host.links() == {"current": first, "previous": first}
    assert host.start() == 0
    told = run.of("ansible.builtin.fail")["gate-1"].result["msg"]
    assert told.startswith(
        "gate-1 runs what it ran before, as the new release didn't start: Start from the lock: "
        "error[contradicts-lock]: the requested `platform` isn't the locked one"
    )
    assert run.of(MODULE)["gate-1"].status == "ok"
    assert host.accepted() == (first, f"the release {second} didn't start", None)

    restart = ["touch", str(host.root / "restarted")]
    run = run_role("second", runtime_restart=restart).require(0)
    assert [task for _, task in run.changed()] == [
        begin,
        "Accept the lock, and let the one before still start",
        "Switch to the release",
        "Start from the lock",
        "Restart what runs",
        "Note that the release has started, and remove old ones",
        "Accept the lock for good",
    ]
    assert (host.root / "restarted").is_file()
    assert host.links() == {"current": second, "previous": first}
    assert host.accepted() == (second, None, None)
    assert host.releases() == sorted((first, second))
    assert host.start() == 0

    victim = next(host.root.glob("current/environment/lib/*/site-packages/my_package/*.py"))
    victim.write_text("# changed", encoding="utf-8")
    run = run_role("second", "--check", "--diff").require(2)
    assert run.changed() == []
    assert run.of(MODULE)["gate-1"].result["exit_code"] == 3

    # Every start and every comparison has reported, but for that in check mode; what the test
    # started itself calls itself otherwise.
    assert [path.name for path in gathered.iterdir()] == ["gate-1.ndjson"]
    lines = (gathered / "gate-1.ndjson").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines]
    assert [
        (each["device"], each["command"], each["outcome"], each["lock"]["sha256"][:16])
        for each in reports
        if each["device"] != "device"
    ] == [
        ("gate-1", "verify", "holds", first),
        ("gate-1", "init", "started", first),
        ("gate-1", "verify", "holds", first),
        ("gate-1", "verify", "holds", first),
        ("gate-1", "verify", "holds", second),
        ("gate-1", "init", "refused", second),
        ("gate-1", "verify", "holds", first),
        ("gate-1", "verify", "holds", second),
        ("gate-1", "init", "started", second),
        ("gate-1", "verify", "holds", second),
    ]
    numbers = [each["sequence"] for each in reports]
    assert numbers == sorted(set(numbers))
    assert os.listdir(host.root / "state" / "fetched") == []


def _clone(base: Host, root: Path, current: str) -> Host:
    """Return a host that has all releases of another one, and runs this one of them."""
    shutil.copytree(base.root, root, symlinks=True, copy_function=os.link)
    (root / "previous").unlink()
    (root / "current").unlink()
    (root / "current").symlink_to(f"releases/{current}")
    shutil.copytree(root / "trust-before", root / "trust")
    return Host(root=root)


def test_a_device_that_loses_power_at_any_moment_starts_from_one_of_the_two(
    controller: Controller, releases: Releases, tmp_path: Path
) -> None:
    first, second = map(releases.id, ("first", "second"))
    play = {"roles": [ROLE]}
    base = Host(root=tmp_path / "base")
    base.root.mkdir()
    meter = tmp_path / "meter"
    powered = {"ansible_connection": "powered", "power_meter": str(meter)}
    wheels = tmp_path / "wheels"
    with tarfile.open(releases.wheels) as archive:
        archive.extractall(wheels, filter="data")
    variables = {**releases.variables("first"), **base.variables, "runtime_wheels": str(wheels)}
    controller.play(play, {"base": variables}).require(0)
    shutil.copytree(base.root / "trust", base.root / "trust-before")
    half_made = Host(root=tmp_path / "half-made")
    shutil.copytree(base.root, half_made.root, symlinks=True)
    variables |= releases.variables("second")
    controller.play(play, {"base": {**variables, **powered}}).require(0)
    of_all = meter.stat().st_size
    shutil.rmtree(base.root / "trust")
    (base.root / "releases" / second / "started").unlink()

    # One host more loses its power after each of the commands that a run takes.
    whole = _clone(base, tmp_path / "whole", first)
    meter.unlink()
    updated = {**releases.variables("second"), **powered}
    controller.play(play, {"whole": {**updated, **whole.variables}}).require(0)
    commands = meter.stat().st_size
    assert commands < of_all
    hosts = {f"after-{each}": each for each in range(commands)}
    clones = {name: _clone(base, tmp_path / name, first) for name in hosts}
    given = {
        name: {
            **updated,
            **clones[name].variables,
            "power_commands": count,
            "power_meter": str(tmp_path / f"{name}.meter"),
        }
        for name, count in hosts.items()
    }
    # Those that build lose it in the middle of that, too.
    for seconds in (0.5, 2):
        name = f"within-{seconds}"
        shutil.copytree(half_made.root, tmp_path / name, symlinks=True)
        clones[name] = Host(root=tmp_path / name)
        given[name] = {
            **updated,
            **clones[name].variables,
            "power_commands": of_all - commands,
            "power_seconds": seconds,
            "power_meter": str(tmp_path / f"{name}.meter"),
        }
    run = controller.play(play, given)
    run.require(4)
    lost = {each.host for each in run.results if each.status == "unreachable"}
    assert lost == set(given)
    found = {name: (host.start(), host.links()["current"]) for name, host in clones.items()}
    assert {code for code, _ in found.values()} == {0}
    assert {release for _, release in found.values()} == {first, second}

    for each in given.values():
        del each["power_commands"]
    controller.play(play, given).require(0)
    assert {name: host.start() for name, host in clones.items()} == dict.fromkeys(clones, 0)
    for host in clones.values():
        assert host.links() == {"current": second, "previous": first}
        assert host.accepted() == (second, None, None)
        assert host.releases() == sorted((first, second))

    # And back, which takes a reason.
    back = {**releases.variables("first"), **whole.variables}
    controller.play(play, {"whole": back}).require(2)
    assert whole.links() == {"current": second, "previous": first}
    controller.play(play, {"whole": {**back, "runtime_allow_rollback": "it flickers"}}).require(0)
    assert whole.links() == {"current": first, "previous": second}
    assert whole.accepted() == (first, "it flickers", None)
