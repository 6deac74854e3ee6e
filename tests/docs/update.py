"""Write what the commands really print into the console blocks, in all languages.

Command: `python -m tests.docs.update [PAGE...]`, e.g. `README.md docs/findings.md`. Blocks
that differ only in durations or in the digests of fixtures are left as they are, and the
blocks of translations become those of the page that they translate. What the code declares and
a page lacks gets a section or a row there (`declared`). A page whose examples find a fault of
the tool isn't written, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from coral_lock.document.schema import schema_text
from tests.docs.declared import with_fields, with_findings
from tests.docs.pages import all_pages, blocks_of, english_pages, page_name, translations
from tests.docs.sessions import Comparable, PageRunner, accidents_in
from tests.support.wheelhouse import REPOSITORY, fill_wheelhouse


def update(page: Path, wheelhouse: Path) -> None:
    """Run the blocks of an English page and rewrite the page where it differs.

    Raises:
        ValueError: an example gives what none means to show.
    """
    text = page.read_text(encoding="utf-8")
    documented, found = Comparable(), Comparable()
    bodies = {block.first_line: block.lines for block in blocks_of(text)}
    with tempfile.TemporaryDirectory() as scratch:
        for block, lines in PageRunner(Path(scratch), wheelhouse).run(blocks_of(text)):
            accidents = accidents_in(lines)
            if accidents:
                raise ValueError(f"{page_name(page)}: `{block.lines[0]}` gives `{accidents[0]}`")
            if documented.lines(block.lines) != found.lines(lines):
                bodies[block.first_line] = lines
    _write(page, text, list(bodies.values()))


def translate(page: Path, translation: Path) -> None:
    """Put the code blocks of a page into its translation.

    Raises:
        ValueError: the two don't have the same number of blocks.
    """
    bodies = [block.lines for block in blocks_of(page.read_text(encoding="utf-8"))]
    text = translation.read_text(encoding="utf-8")
    if len(blocks_of(text)) != len(bodies):
        raise ValueError(f"{page_name(translation)} has other blocks than {page_name(page)}")
    _write(translation, text, bodies)


def complete(page: Path) -> None:
    """Add what the code declares and the page lacks."""
    text = page.read_text(encoding="utf-8")
    changed = text
    if page.name.startswith("findings."):
        changed = with_findings(text)
    elif page.name == "lock-format.md":
        changed = with_fields(text, json.loads(schema_text("lock")))
    if changed != text:
        page.write_text(changed, encoding="utf-8")


def _write(page: Path, text: str, bodies: list[tuple[str, ...]]) -> None:
    """Write `text` with its blocks replaced by `bodies`, if that changes anything."""
    lines = text.split("\n")
    for block, body in reversed(list(zip(blocks_of(text), bodies, strict=True))):
        lines[block.first_line : block.first_line + len(block.lines)] = body
    changed = "\n".join(lines)
    if changed != text:
        page.write_text(changed, encoding="utf-8")
        print(f"updated {page_name(page)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.docs.update")
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    names = parser.parse_args().pages
    unknown = set(names) - {page_name(page) for page in all_pages()}
    if unknown:
        parser.error(f"no page named {', '.join(sorted(unknown))}")
    wheelhouse = REPOSITORY / ".cache" / "wheelhouse"
    fill_wheelhouse(wheelhouse)
    accidents: list[str] = []
    for page in all_pages():
        complete(page)
    for page in english_pages():
        if not names or page_name(page) in names:
            try:
                update(page, wheelhouse)
            except ValueError as error:
                accidents.append(str(error))
    for page, translation in translations():
        if not names or {page_name(page), page_name(translation)} & set(names):
            translate(page, translation)
    if accidents:
        raise SystemExit("\n".join(accidents))


if __name__ == "__main__":
    main()
