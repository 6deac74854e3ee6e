"""The threat model says what the hostile tests show."""

from __future__ import annotations

import re

from tests.attacks.test_attacks import DOORS
from tests.support.wheelhouse import REPOSITORY

WORDS = {"evil": "runs", "refused": "refused", "harmless": "isn't there"}
PAGE = REPOSITORY / "docs" / "threat-model.md"


def test_every_attack_on_imports_is_on_the_page_as_it_is_tested() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("<!-- attacks:begin -->\n")[2].partition("\n<!-- attacks:end -->")[0]
    assert table.split("\n")[2:] == [
        f"| {name} | {' | '.join(WORDS[outcome] for outcome in attack.expected)} |"
        for door in DOORS
        for name, attack in door.ROWS.items()
    ]


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_[a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    written = {
        name
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_[a-z_]+)\(", path.read_text(encoding="utf-8"))
    }
    assert named
    assert named - written == set()
