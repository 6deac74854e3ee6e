"""Whether entry points resolve, proven from the sources alone."""

from __future__ import annotations

import pytest

from coral_lock.author.check import check_subject
from coral_lock.author.specs import Definitions, UnresolvedError
from tests.unit.author.check_subjects import (
    ENTRY_POINTS,
    FILES,
    MANIFEST,
    PLUGINS,
    findings_of,
    subject,
)


def test_a_sound_project_has_no_findings() -> None:
    assert findings_of(subject()) == []


PROVEN, ABSENT, UNPROVEN = "proven", "absent", "unproven"


def _resolved(sources: dict[str, str], attribute: str = "target") -> tuple[str, str]:
    contents = {path: text.encode() for path, text in sources.items()}
    try:
        found = Definitions(contents.get).find(f"acme.plugins:{attribute}")
    except UnresolvedError as error:
        place = f" ({error.path}:{error.line})" if error.line else ""
        return ABSENT, error.reason + place
    if found is None:
        return UNPROVEN, ""
    line, column = found.position()
    return PROVEN, f"{found.module.path}:{line}:{column}"


HERE = "acme/plugins.py"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("def target(): ...", "1:1"),
        ("async def target(): ...", "1:1"),
        ("class target: ...", "1:1"),
        ("target = 1", "1:10"),
        ("target: int = 1", "1:15"),
        ("é = 'é'; target = 1", "1:19"),
        ("for target in (): ...", "1:5"),
        ("with open(x) as target: ...", "1:17"),
        ("try:\n    import target\nexcept ImportError:\n    target = None", "4:14"),
        ("if x:\n    def target(): ...", "2:5"),
        ("import target", "1:1"),
        ("def f():\n    global target\n    target = 1", "2:5"),
    ],
)
def test_a_binding_in_the_module_is_proof(source: str, place: str) -> None:
    status, reason = _resolved({HERE: source})
    assert (status, reason) == (PROVEN, f"{HERE}:{place}")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            {HERE: "from .base import target", "acme/base.py": "\n\ndef target(): ..."},
            (PROVEN, "acme/base.py:3:1"),
        ),
        (
            {HERE: "from acme.base import t as target", "acme/base.py": "from .deep import t",
             "acme/deep.py": "t = 1"},
            (PROVEN, "acme/deep.py:1:5"),
        ),
        (
            {HERE: "from . import target", "acme/__init__.py": "", "acme/target.py": ""},
            (PROVEN, f"{HERE}:1:1"),
        ),
        (
            {HERE: "from . import target", "acme/target.py": ""},
            (PROVEN, f"{HERE}:1:1"),
        ),
        ({HERE: "x = 1\nfrom other import target"}, (PROVEN, f"{HERE}:2:1")),
        (
            {HERE: "from .base import target", "acme/base.py": "other = 1", "acme/__init__.py": ""},
            (ABSENT, "`target` isn't defined in `acme.base` (acme/base.py:1)"),
        ),
        (
            {HERE: "from .gone import target", "acme/__init__.py": ""},
            (ABSENT, "the distribution has no module `acme.gone`"),
        ),
    ],
)  # fmt: skip
def test_imports_of_own_modules_are_followed(
    sources: dict[str, str], expected: tuple[str, str]
) -> None:
    assert _resolved(sources) == expected


@pytest.mark.parametrize(
    "sources",
    [
        {HERE: "x = 1\nfrom other import *"},
        {HERE: "from .base import *", "acme/base.py": "target = 1"},
        {HERE: "from .base import target", "acme/base.py": "from .plugins import target",
         "acme/__init__.py": ""},
        {HERE: "from ...up import target", "acme/__init__.py": ""},
        {HERE: "def __getattr__(name): ..."},
        {HERE: "\nglobals()['target'] = 1"},
        {"acme/plugins.abi3.so": ""},
    ],
)  # fmt: skip
def test_what_is_made_elsewhere_is_unproven(sources: dict[str, str]) -> None:
    assert _resolved(sources) == (UNPROVEN, "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", f"`target` isn't defined in `acme.plugins` ({HERE}:1)"),
        ("target: int", f"`target` isn't defined in `acme.plugins` ({HERE}:1)"),
        ("def f(:", f"the source doesn't parse: invalid syntax ({HERE}:1)"),
    ],
)
def test_what_nothing_binds_is_absent(source: str, expected: str) -> None:
    assert _resolved({HERE: source}) == (ABSENT, expected)


def test_of_dotted_attributes_the_first_is_found() -> None:
    assert _resolved({HERE: "class Kit:\n    made = 1\n"}, "Kit.made") == (PROVEN, f"{HERE}:1:1")


@pytest.mark.parametrize(
    ("value", "summary", "where", "hint"),
    [
        (
            "acme.coral_plugin:sharpen",
            "the distribution has no module `acme.coral_plugin`",
            "pyproject.toml:12:1",
            "correct the entry point or its module",
        ),
        (
            "acme.coral_plugins:sharpn",
            "`sharpn` isn't defined in `acme.coral_plugins`",
            f"{PLUGINS}:1:1",
            "did you mean `acme.coral_plugins:sharpen`?",
        ),
        (
            "json:loads",
            "`json` is a module of the standard library",
            "pyproject.toml:12:1",
            "correct the entry point or its module",
        ),
    ],
)
def test_an_entry_point_that_does_not_resolve(
    value: str, summary: str, where: str, hint: str
) -> None:
    checked = subject(entry_points=(*ENTRY_POINTS[:2], ("patches", "sharpen", value)))
    (finding,) = [
        finding
        for finding in check_subject(checked).findings
        if finding.code == "entry-point-unresolved"
    ]
    assert finding.summary == f"the entry point `{value}` doesn't resolve: {summary}"
    assert (finding.severity, finding.subject) == ("error", "patches:sharpen")
    assert (finding.where, finding.hint) == (where, hint)


def test_an_entry_point_that_is_not_proven_is_unreadable() -> None:
    files = {
        **FILES,
        PLUGINS: FILES[PLUGINS].replace("sharpen =", "from other import sharpen\n_ ="),
    }
    assert (
        "warning",
        "spec-unreadable",
        "the spec of `acme.coral_plugins:sharpen` can't be read from its source: "
        "`other.sharpen` comes from another package",
        f"{PLUGINS}:17:1",
    ) in findings_of(subject({p: t for p, t in files.items() if p != MANIFEST}))
