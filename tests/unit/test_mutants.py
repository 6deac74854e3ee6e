"""The table of mutants quotes the code as it is."""

from __future__ import annotations

from tests.mutants import read_mutants
from tests.support.wheelhouse import REPOSITORY


def test_each_mutant_changes_one_place_and_has_its_tests() -> None:
    wrong = []
    for mutant in read_mutants():
        source = REPOSITORY / "coral_lock" / mutant.module
        count = source.read_text(encoding="utf-8").count(mutant.old) if source.is_file() else 0
        missing = [test for test in mutant.tests if not (REPOSITORY / test).is_file()]
        if count != 1 or missing or mutant.old == mutant.new:
            wrong.append((mutant.title, count, missing))
    assert wrong == []
