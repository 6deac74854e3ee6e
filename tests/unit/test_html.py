"""The page that shows changes and findings."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from pathlib import Path

import pytest

from coral_lock.canonical_json import Value
from coral_lock.difference.capabilities import Use
from coral_lock.difference.changes import difference
from coral_lock.difference.code import DistributionCode, FileChange
from coral_lock.errors import InputError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.lockfile.entries import LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.rendering.html import render_html
from coral_lock.rendering.outcome import Outcome
from tests.support.in_process import WorkingDirectory
from tests.support.locks import TAG, digest_of, sample_lock
from tests.support.page import Page

pytest.importorskip("jinja2", reason="the extra `html` isn't installed")

HOSTILE = "</script></style><img src=//evil.example onerror=alert(1)>{{ 7*7 }}\u202e\x07 `x` &amp;"
SHOWN = r"</script></style><img src=//evil.example onerror=alert(1)>{{ 7*7 }}\u202e\u0007 `x` &amp;"


def zoom(description: str = "") -> LockedPlugin:
    return LockedPlugin(
        id="patches:zoom", distribution="acme-zoom", entry_point="zoom:x", description=description
    )


def changed_lock(description: str = "Zoom in") -> Lock:
    """Return the sample with a plugin, and with changes of every kind and level."""
    lock = sample_lock()
    (rknn, camera), (package, numpy, backend) = lock.plugins, lock.distributions
    new = LockedDistribution(
        name="acme-zoom", version="0.1", digests={TAG: digest_of("Z")}, requires=("numpi",)
    )
    look_alike = LockedDistribution(name="numpi", version="1.0", digests={TAG: digest_of("N")})
    return lock.replace(
        platform="onnx",
        plugins=(rknn, camera, zoom(description)),
        distributions=(new, package, look_alike, numpy.replace(version="3.0.0"), backend),
    )


def outcome(new: Lock | None = None) -> Outcome:
    old, new = sample_lock(), new or changed_lock()
    return Outcome(
        document={"format_version": "1.0", "old": "old.lock", "new": "coral.lock"},
        changes=difference(old, new),
        locks=((old, "old.lock"), (new, "coral.lock")),
    )


def finding(severity: str, summary: str) -> Finding:
    return Finding(
        code="version-drift",
        severity=severity,
        subject="acme",
        summary=summary,
        expected="1.0",
        found="2.0",
        where="/srv/site-packages/acme",
        hint="install `acme` 1.0",
    )


def test_what_changed() -> None:
    page = Page(render_html(outcome()))
    assert page.texts["h1"] == ["Changes of coral.lock"]
    assert page.texts["title"][0] == "Changes of coral.lock"
    assert page.texts["h2"] == [
        "High risk (1)",
        "Medium risk (1)",
        "Low risk (1)",
        "Without a risk (2)",
        "What requires what",
    ]
    items = [attributes for tag, attributes in page.elements if "data-level" in attributes]
    assert [(each["data-level"], each["data-kind"]) for each in items] == [
        ("high", "closure"),
        ("medium", "plugin"),
        ("low", "closure"),
        ("none", "lock"),
        ("none", "plugin"),
    ]
    text = " ".join(" ".join(page.texts["body"]).split())
    assert "5 changes, 1 of high risk, 1 of medium risk, 1 of low risk. " in text
    assert (
        "numpi is added high risk, look-alike: the name is one edit away from numpy "
        "medium risk, new-distribution: nothing required it before "
        "after version: 1.0 digests: {py3-none-any: t1:NNNNNNNNNNNN…NNNNNN=} "
        "of numpi via patches:zoom where coral.lock:"
    ) in text
    assert "the platform changed before rknn after onnx where coral.lock:3 " in text
    assert "Before as a list " in text
    assert "+ acme-zoom 0.1 → + numpi 1.0 " in text
    assert page.texts["figcaption"] == ["Before", "After"]


def test_findings_have_a_page_of_their_own() -> None:
    findings = finding(ERROR, "`acme` is of another version"), finding(WARNING, "`b` is there")
    document: dict[str, Value] = {"lock": "coral.lock", "holds": False, "parts": ["a"]}
    page = Page(render_html(Outcome(document=document, findings=findings)))
    assert page.texts["h1"] == ["Findings"]
    assert page.texts["h2"] == ["Errors (1)", "Warnings (1)"]
    text = " ".join(" ".join(page.texts["main"]).split())
    assert text == (
        "Errors (1) acme is of another version code version-drift expected 1.0 found 2.0 "
        "where /srv/site-packages/acme hint install `acme` 1.0 "
        "Warnings (1) b is there code version-drift expected 1.0 found 2.0 "
        "where /srv/site-packages/acme hint install `acme` 1.0"
    )
    header = " ".join(" ".join(page.texts["header"]).split())
    assert header == "Findings 1 error, 1 warning. lock coral.lock holds false"


@pytest.mark.parametrize(
    ("empty", "sentence"),
    [
        (Outcome(document={}, findings=()), "No findings."),
        (Outcome(document={}, changes=()), "No changes: the same plugins, from the same bytes."),
        (
            Outcome(document={}, changes=(), findings=()),
            "No findings. No changes: the same plugins, from the same bytes.",
        ),
    ],
)
def test_that_there_is_nothing_is_said(empty: Outcome, sentence: str) -> None:
    page = Page(render_html(empty))
    assert page.texts["p"] == [sentence]
    assert "form" not in page.texts


@pytest.mark.parametrize("is_added", [True, False])
def test_a_lock_that_is_added_or_removed(is_added: bool) -> None:
    lock = sample_lock()
    locks = ((None, "old.lock"), (lock, "coral.lock"))
    text = render_html(
        Outcome(document={}, changes=(), locks=locks if is_added else (locks[1], locks[0]))
    )
    assert "Nothing of it is there." in text
    assert ("+ numpy 2.0.0" if is_added else "− numpy 2.0.0") in text


def test_after_an_error_nothing_is_called_the_same() -> None:
    text = render_html(Outcome(document={}, findings=(finding(ERROR, "no"),), changes=()))
    assert Page(text).texts["p"][0] == "1 error. No changes."


def test_the_policy_allows_what_is_in_the_page_and_nothing_else() -> None:
    page = Page(render_html(outcome()))
    (policy,) = (
        attributes["content"]
        for tag, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )

    def hash_of(tag: str) -> str:
        (content,) = page.texts[tag]
        return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hash_of('style')}'; "
        f"script-src 'sha256-{hash_of('script')}'; base-uri 'none'; form-action 'none'"
    )
    assert page.values("style") == []
    assert page.values("src") == []
    assert all(str(value).startswith("#") for value in page.values("href"))
    assert [name for _, each in page.elements for name in each if name.startswith("on")] == []
    assert not re.search(r"url\(|@import|https?:", page.texts["style"][0] + page.texts["script"][0])


def test_everything_is_untrusted_text() -> None:
    harmless, hostile = (
        Page(render_html(outcome(changed_lock(text)))) for text in ("Zoom in", HOSTILE)
    )
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert f'"{SHOWN}"' in " ".join(hostile.texts["code"])
    visible = "".join(hostile.texts["body"])
    assert all(each.isprintable() or each == "\n" for each in visible)


def test_findings_and_file_names_are_untrusted_text() -> None:
    hostile = Finding(
        code="version-drift",
        severity=ERROR,
        subject=HOSTILE,
        summary=HOSTILE,
        expected=HOSTILE,
        found=HOSTILE,
        where=HOSTILE,
        hint=HOSTILE,
    )
    lock = sample_lock()
    page = Page(
        render_html(
            Outcome(
                document={"lock": HOSTILE},
                findings=(hostile,),
                changes=(),
                locks=((lock, HOSTILE), (lock, HOSTILE)),
            )
        )
    )
    assert "img" not in dict(page.elements)
    assert len(page.texts["script"]) == len(page.texts["style"]) == 1
    assert all(each.isprintable() or each == "\n" for each in "".join(page.texts["body"]))


def test_code_is_untrusted_text() -> None:
    def page_of(text: str) -> Page:
        use = Use(capability="programs", name=text, path=text, line=1, text=text)
        code = DistributionCode(
            distribution=text,
            old_version=text,
            new_version="2",
            files=(FileChange(path=text, kind="changed", lines=("@@ -1 +1 @@", f"-{text}", "+1")),),
            uses=(use,),
            commands=(text,),
            unseen=(text,),
        )
        return Page(render_html(Outcome(document={}, changes=(), code=(code,))))

    harmless, hostile = page_of("x"), page_of(HOSTILE)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert hostile.texts["pre"] == [f"@@ -1 +1 @@\n-{SHOWN}\n+1\n".replace(r"\u0007", r"\x07")]
    assert ("span", {"class": "added"}) in harmless.elements
    assert all(each.isprintable() or each == "\n" for each in "".join(hostile.texts["body"]))


def test_labels_and_a_viewport() -> None:
    page = Page(render_html(outcome()))
    assert ("html", {"lang": "en"}) in page.elements
    assert ("label", {"for": "text"}) in page.elements
    assert "width=device-width, initial-scale=1" in page.values("content")
    boxes = [each for tag, each in page.elements if each.get("type") == "checkbox"]
    labels = [" ".join(each.split()) for each in page.texts["label"]]
    assert len(labels) == len(boxes) + 1
    assert labels[1:5] == [
        "High risk (1)",
        "Medium risk (1)",
        "Low risk (1)",
        "Without a risk (2)",
    ]
    # Without its script a page has no filters that do nothing.
    assert [each for tag, each in page.elements if tag == "form"] == [
        {"id": "filters", "hidden": None, "aria-label": "Filters"}
    ]


def test_the_bytes_are_the_same_every_time() -> None:
    assert render_html(outcome()) == render_html(outcome())


def test_thousands_of_changes_have_a_bounded_drawing() -> None:
    names = [f"d{number:04}" for number in range(1000)]
    new = sample_lock().replace(
        plugins=tuple(
            LockedPlugin(id=f"patches:{name}", distribution=name, entry_point="acme:x")
            for name in names
        ),
        distributions=tuple(
            LockedDistribution(name=name, version="1.0", digests={TAG: digest_of("D")})
            for name in names
        ),
    )
    text = render_html(outcome(new))
    page = Page(text)
    assert len(page.values("data-level")) > 2000
    assert len(text) < 2_000_000
    assert 70 <= len(page.texts["rect" if "rect" in page.texts else "text"]) <= 160
    assert re.search(r"19\d\d more that changed aren't shown", text)


def test_without_jinja2_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match="a page is made with jinja2, which isn't installed"):
        render_html(outcome())
    work = WorkingDirectory(directory=tmp_path)
    work.lock_path.write_text(write_lock(sample_lock()), encoding="utf-8")
    words = ("--output-format", "html", "--output-file", "page.html")
    refused = work.coral("diff", "coral.lock", "coral.lock", *words).require(2)
    assert refused.stderr == (
        "error: a page is made with jinja2, which isn't installed\n"
        "  expected: coral-lock with the extra `html`\n"
        "  hint: `pip install 'coral-lock[html]'`, or `--output-format markdown`\n"
    )
    assert not (tmp_path / "page.html").exists()
