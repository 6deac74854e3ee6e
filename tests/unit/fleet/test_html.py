"""The page of a fleet: nothing from elsewhere, nothing that isn't escaped, the red ones first."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from coral_lock.fleet.states import STATES
from tests.support.device_reports import LOCK, device_report, ndjson, refusal
from tests.support.in_process import WorkingDirectory
from tests.support.page import Page

HOSTILE = "</script><script>x()</script><img src=//evil.invalid/x onerror=x()>\u202e\x1b[2J"
DEVICES = 1_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of 1,000 devices, one of which is refused, missing or hostile each."""
    work = WorkingDirectory(directory=tmp_path_factory.mktemp("page"))
    accepted = {"channel": HOSTILE, "serial": 1, "signers": [], "rollback": HOSTILE}
    changes = refusal("digest-mismatch", HOSTILE) | {"lock": {"accepted": accepted}}
    reports = [
        device_report(f"edge-{number:04}", changes=changes if number == 700 else None)
        for number in range(DEVICES - 1)
    ]
    work.write("reports.ndjson", ndjson(*reports) + '{"<img>": 1}\n')
    work.write("hosts", "".join(f"edge-{number:04}\n" for number in range(DEVICES)))
    words = ("--inventory", "hosts", "--output-format", "html", "--output-file", "page.html")
    now = ("--now", "2026-11-26T12:00:00Z")
    work.coral("fleet", "summarize", "reports.ndjson", *words, *now).require(1)
    return (work.directory / "page.html").read_text(encoding="utf-8")


def _data(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*)</script>', page)
    data: dict[str, Any] = json.loads(text)
    return data


def test_the_script_knows_every_device_and_the_list_the_red_ones_first(page: str) -> None:
    data = _data(page)
    assert data["states"] == list(STATES)
    assert len(data["rows"]) == DEVICES
    assert [row[0] for row in data["rows"][:3]] == ["edge-0700", "edge-0999", "edge-0000"]
    shown = re.findall(r'<li class="item state-([a-z]+)"><p><strong class="[^"]*">([a-z]+)', page)
    assert [state for state, word in shown if state == word] == [
        "refused",
        "missing",
        *["holds"] * 298,
    ]
    assert '<p id="more">700 more</p>' in page


def test_a_device_is_found_by_its_lock_its_channel_and_its_findings(page: str) -> None:
    data = _data(page)
    about = data["abouts"][data["rows"][0][2]]
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    start = f"60 min old · lock {LOCK[:12]} · {shown} 1 · rolled back · digest-mismatch "
    assert about.startswith(start)
    assert "<dt>red</dt>\n<dd>whoever is in another state than holds</dd>" in page
    assert "const fits = said.map((about) => about.includes(text));" in page
    assert "1 of them red: edge-0700</li>" in page


def test_nothing_is_loaded_and_nothing_else_is_run(page: str) -> None:
    elements = Page(page).elements
    assert [attributes for tag, attributes in elements if tag == "script"] == [
        {"type": "application/json", "id": "data"},
        {},
    ]
    assert {tag for tag, _ in elements} & {"img", "link", "iframe", "object", "base"} == set()
    targets = {value for _, each in elements for name, value in each.items() if name == "href"}
    assert {target[:1] for target in targets if target} == {"#"}
    handlers = [name for _, attributes in elements for name in attributes if name[:2] == "on"]
    assert handlers == []


def test_the_policy_allows_the_style_and_the_script_alone(page: str) -> None:
    found = Page(page)
    (policy,) = (
        attributes["content"]
        for _, attributes in found.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (found.texts["style"][0], found.texts["script"][1])
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_hostile_text_is_text(page: str, tmp_path: Path) -> None:
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    text = "".join(Page(page).texts["main"])
    assert text.count(shown) >= 3
    assert any(shown in about for about in _data(page)["abouts"])
