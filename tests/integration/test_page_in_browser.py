"""The HTML page in a real browser: filters, the network, the console, widths, colours, keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coral_lock.difference.capabilities import Use
from coral_lock.difference.code import DistributionCode, FileChange
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.lockfile.entries import LockedDistribution, LockedPlugin
from coral_lock.lockfile.text import write_lock
from coral_lock.rendering.html import render_html
from coral_lock.rendering.outcome import Outcome
from tests.support.browser import Browser, find_browser, is_usable, opened_browser
from tests.support.device_reports import device_report, ndjson, refusal
from tests.support.in_process import WorkingDirectory
from tests.support.locks import TAG, digest_of, sample_lock

pytest.importorskip("jinja2", reason="the extra `html` isn't installed")
pytestmark = pytest.mark.skipif(
    find_browser() is None, reason="there is no chromium, chromium-browser or google-chrome on PATH"
)

HOSTILE = "</script><script>document.title='no'</script><img src=http://evil.invalid/x onerror=x()>"
SHOWN = "Array.from(document.querySelectorAll('.item p')).map(p => p.textContent)"
COUNT = "document.getElementById('shown').textContent"
UNFOLD = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
FOCUS = "document.activeElement.name || document.activeElement.tagName"

ADDED = "patches:zoom is added"
LOOK_ALIKE = "numpi is added"
PLATFORM = "the platform changed"
NEW_DISTRIBUTION = "acme-zoom is added"
ALL = [LOOK_ALIKE, ADDED, PLATFORM, NEW_DISTRIBUTION]

LOW_CONTRAST = """
(() => {
  const channel = (value) =>
    value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\\d.]+/g).map((each) => channel(each / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(script, title)")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText) continue;
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const [high, low] = [luminance(color), luminance(background(element))].sort((a, b) => b - a);
    if ((high + 0.05) / (low + 0.05) < 4.5) found.push(`${element.tagName} ${color}`);
  }
  return found;
})()
"""
"""The elements whose text has less contrast than level AA of WCAG 2.2 wants (1.4.3)."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a page with a change of each kind, and with long and hostile text."""
    work = WorkingDirectory(directory=tmp_path_factory.mktemp("page"))
    old = sample_lock()
    package, *others = old.distributions
    zoom = LockedPlugin(
        id="patches:zoom",
        distribution="acme-zoom",
        entry_point=f"{'z' * 300}:x",
        description=HOSTILE,
    )
    new = old.replace(
        platform="onnx",
        plugins=(*old.plugins, zoom),
        distributions=(
            LockedDistribution(
                name="acme-zoom", version="1.0", digests={TAG: digest_of("Z")}, requires=("numpi",)
            ),
            package,
            LockedDistribution(name="numpi", version="1.0", digests={TAG: digest_of("N")}),
            *others,
        ),
    )
    for name, lock in (("old.lock", old), ("coral.lock", new)):
        work.write(name, write_lock(lock))
    words = ("--output-format", "html", "--output-file", "page.html")
    assert work.coral("diff", "old.lock", "coral.lock", *words).require(0).stdout == ""
    return (work.directory / "page.html").as_uri()


@pytest.fixture(scope="module")
def address_with_code(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a page with a difference in files, and with findings."""
    use = Use(capability="programs", name="os.system", path="acme/x.py", line=1, text=HOSTILE)
    lines = "@@ -1 +1 @@", f"-{'x' * 200}", f"+{'名' * 200}"
    code = DistributionCode(
        distribution="acme",
        old_version="1.0",
        new_version="1.1",
        files=(FileChange(path="a" * 300, kind="changed", lines=lines),),
        uses=(use,),
        unseen=("its wheel is too large",),
    )
    findings = tuple(
        Finding(
            code="version-drift", severity=severity, subject="acme", summary=HOSTILE, hint="h" * 300
        )
        for severity in (ERROR, WARNING)
    )
    page = tmp_path_factory.mktemp("code") / "page.html"
    outcome = Outcome(document={}, findings=findings, changes=(), code=(code,))
    page.write_text(render_html(outcome), encoding="utf-8")
    return page.as_uri()


@pytest.fixture(scope="module")
def address_of_fleet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the page of a fleet of 500 devices, of which one is red."""
    work = WorkingDirectory(directory=tmp_path_factory.mktemp("fleet"))
    red = refusal("digest-mismatch", HOSTILE * 5)
    reports = (
        device_report(f"edge-{number:04}", changes=red if number == 123 else None)
        for number in range(500)
    )
    work.write("reports.ndjson", ndjson(*reports))
    words = ("--now", "2026-11-26T12:00:00Z", "--output-format", "html", "--output-file", "p.html")
    work.coral("fleet", "summarize", "reports.ndjson", *words).require(1)
    return (work.directory / "p.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = find_browser()
    assert path is not None
    if not is_usable(path):
        pytest.skip(f"{path} is no browser")
    with opened_browser(path, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_it_loads_nothing_and_complains_of_nothing(browser: Browser, address: str) -> None:
    browser.open(address)
    assert browser.evaluate(COUNT) == "4 of 4 shown"
    assert browser.requests == [address]
    assert browser.complaints == []
    assert browser.evaluate("document.title") == "Changes of coral.lock"
    assert browser.evaluate("[document.scripts.length, document.images.length]") == [1, 0]
    assert browser.evaluate("document.body.textContent").count(HOSTILE) == 1
    # What the policy refuses is refused and told.
    browser.evaluate("document.body.append(new Image().cloneNode()), (new Image()).src = 'x.png'")
    assert browser.evaluate("fetch('x.json').catch(() => 0), 1") == 1
    assert any("Content Security Policy" in each for each in browser.complaints)


@pytest.mark.parametrize(
    ("fragment", "shown"),
    [
        ("", ALL),
        ("level=high", [LOOK_ALIKE]),
        ("level=high,medium", [LOOK_ALIKE, ADDED]),
        ("kind=lock", [PLATFORM]),
        ("kind=closure,plugin&level=none", [NEW_DISTRIBUTION]),
        ("text=ZOOM+plugin", [ADDED]),
        ("text=img+src", [ADDED]),
        ("text=nowhere", []),
        ("drawings", ALL),
    ],
)
def test_filters_of_an_address(
    browser: Browser, address: str, fragment: str, shown: list[str]
) -> None:
    browser.open(f"{address}#{fragment}")
    assert browser.evaluate(SHOWN) == shown
    assert browser.evaluate(COUNT) == f"{len(shown)} of 4 shown"
    headings = len(browser.evaluate("[...document.querySelectorAll('.items:not([hidden])')]"))
    assert (headings > 0) == bool(shown)


def test_filters_by_keyboard(browser: Browser, address: str) -> None:
    browser.open(address)
    for _ in range(3):
        browser.press("Tab")
    assert browser.evaluate(FOCUS) == "text"
    for character in "zoom":
        browser.press(character)
    assert browser.evaluate("document.querySelector('[name=text]').value") == "zoom"
    assert browser.evaluate("location.hash") == "#text=zoom"
    assert browser.evaluate(SHOWN) == [LOOK_ALIKE, ADDED, NEW_DISTRIBUTION]
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.value") == "high"
    browser.press(" ")
    assert browser.evaluate(SHOWN) == [ADDED, NEW_DISTRIBUTION]
    assert browser.evaluate("location.hash") == "#level=medium%2Cnone&text=zoom"
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    browser.evaluate("document.querySelector('button').focus()")
    browser.press(" ")
    assert browser.evaluate(SHOWN) == ALL
    # The drawings are reached, too, so that the arrow keys scroll them.
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "drawing"
    assert browser.complaints == []


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_a_page_is_as_wide_as_its_window(browser: Browser, address: str, width: int) -> None:
    browser.open(address, width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('.drawing svg').length") == 1
    drawing = "document.querySelector('.drawing')"
    is_scrolled = browser.evaluate(f"{drawing}.scrollWidth > {drawing}.clientWidth")
    assert is_scrolled == (width == 360)


def test_code_and_findings(browser: Browser, address_with_code: str) -> None:
    browser.open(f"{address_with_code}#level=error", width=360)
    assert browser.evaluate(COUNT) == "1 of 2 shown"
    browser.evaluate(UNFOLD)
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    assert browser.evaluate("document.querySelector('pre').scrollWidth") > 360
    assert browser.requests == [address_with_code]
    assert browser.complaints == []


@pytest.mark.parametrize("is_dark", [False, True])
def test_contrast(browser: Browser, address: str, address_with_code: str, is_dark: bool) -> None:
    browser.open(address_with_code, is_dark=is_dark)
    browser.evaluate(UNFOLD)
    assert browser.evaluate(LOW_CONTRAST) == []
    browser.open(address, is_dark=is_dark)
    background = "rgb(13, 17, 23)" if is_dark else "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == background
    assert browser.evaluate(LOW_CONTRAST) == []


def test_without_its_script(browser: Browser, address: str) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(address)
        assert browser.evaluate(SHOWN) == ALL
        assert browser.evaluate("getComputedStyle(document.getElementById('filters')).display") == (
            "none"
        )
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_device_of_a_fleet_is_found_by_typing(browser: Browser, address_of_fleet: str) -> None:
    first = "document.querySelector('#list code').textContent"
    browser.open(address_of_fleet, width=360)
    assert browser.evaluate(COUNT) == "500 of 500 devices"
    assert browser.evaluate(first) == "edge-0123"
    assert browser.evaluate("document.querySelectorAll('#list > li').length") == 300
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    browser.evaluate("document.querySelector('[name=text]').focus()")
    for character in "0477":
        browser.press(character)
    assert browser.evaluate(COUNT) == "1 of 500 devices"
    assert browser.evaluate(first) == "edge-0477"
    assert browser.evaluate("location.hash") == "#text=0477"
    assert browser.requests == [address_of_fleet]
    assert browser.complaints == []


@pytest.mark.parametrize("is_dark", [False, True])
def test_contrast_of_a_fleet(browser: Browser, address_of_fleet: str, is_dark: bool) -> None:
    browser.open(f"{address_of_fleet}#state=refused", is_dark=is_dark)
    assert browser.evaluate(COUNT) == "1 of 500 devices"
    assert browser.evaluate(LOW_CONTRAST) == []
