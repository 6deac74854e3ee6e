"""Attacks on a locked machine: each file of this folder is a door, and has a table of ways in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks import (
    before,
    beside,
    bytecode,
    changed,
    names,
    native,
    opened,
    path,
    records,
    unlocked,
)
from tests.attacks.attack import LEVELS
from tests.support.attacked import LIBRARIES, SLOW, Attacked, attacked, make_attackable
from tests.support.device import Device
from tests.support.snapshots import Snapshot

DOORS = (beside, before, names, bytecode, path, changed, opened, native, records, unlocked)
ATTACKS = {name: attack for door in DOORS for name, attack in door.ROWS.items()}
CASES = [(name, level) for name in ATTACKS for level in LEVELS]


@pytest.fixture(scope="module")
def attackable(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    return make_attackable(tmp_path_factory.mktemp("attackable") / "machine", wheelhouse)


@pytest.fixture(scope="module")
def snapshot(attackable: Device, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(attackable.environment.root, tmp_path_factory.mktemp("attackable") / "copy")


@pytest.fixture
def machine(attackable: Device, snapshot: Snapshot, tmp_path: Path) -> Iterator[Attacked]:
    yield attacked(attackable, tmp_path / "machine")
    snapshot.restore()


@pytest.mark.parametrize("level", LEVELS)
def test_a_machine_that_nobody_attacked(level: str, machine: Attacked) -> None:
    assert machine.run(level) == "harmless"
    assert machine.run(level) == "harmless"
    assert machine.run(level, *SLOW) == "harmless"


@pytest.mark.parametrize(("name", "level"), CASES)
def test_an_attack(name: str, level: str, machine: Attacked) -> None:
    attack = ATTACKS[name]
    if attack.needs_libraries and not LIBRARIES:
        pytest.skip("this interpreter has its own extension modules built in")
    env = attack.do(machine)
    outcome = machine.run(level, *attack.probes, env=env, words=attack.options)
    assert outcome == attack.expected[LEVELS.index(level)]
