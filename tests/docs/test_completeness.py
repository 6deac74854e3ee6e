"""The documentation leaves out no command, option, code or package; its links lead somewhere."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import click
import pytest
import tomlkit

import coral_lock
from coral_lock.cli.application import application
from coral_lock.cli.grammar import START_OPTIONS
from coral_lock.descriptor.load import (
    FLAT_KEYS,
    VARIABLES,
)
from coral_lock.difference.model import RISKS
from coral_lock.document.schema import schema_text
from coral_lock.errors import INTEGRITY
from coral_lock.finding import CODES
from coral_lock.plugin.config import BUILT_IN_PATCHES, RuntimeConfig
from tests.docs.declared import with_fields, with_findings
from tests.docs.pages import all_pages, blocks_of, english_pages, page_name
from tests.support.wheelhouse import REPOSITORY

PAGES = [pytest.param(page, id=page_name(page)) for page in all_pages()]


def _read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _synopses() -> dict[str, str]:
    """Return the README's synopsis of each command, by its words before the first option."""
    (text,) = [b.text for b in blocks_of(_read("README.md")) if "config schema" in b.text]
    entries = re.split(r"\n(?=coral-runtime)", text)
    return {
        match.group().strip(): entry
        for entry in entries
        if (match := re.match(r"coral-runtime( [a-z][a-z-]*)*(?= |\n|$)", entry))
    }


@pytest.mark.parametrize(("path", "command"), list(_commands(application, "coral-runtime")))
def test_the_readme_shows_every_command_with_every_option(
    path: str, command: click.Command
) -> None:
    synopses = _synopses()
    synopsis = synopses[path]
    formats = re.search(r"`FORMAT` is one of `(.*)`\.", _read("README.md"))
    if formats and "--output-format FORMAT]" in synopsis:
        synopsis += formats[1]
    if "[the options of init]" in synopsis:
        synopsis += synopses["coral-runtime init"]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for name in parameter.opts:
                assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", synopsis), name
            if isinstance(parameter.type, click.Choice):
                choices = "|".join(map(str, parameter.type.choices))
                assert (parameter.metavar or choices) in synopsis
    assert set(re.findall(r"--[a-z-]+[a-z]", synopsis)) <= {
        *(name for parameter in command.params for name in parameter.opts)
    }


def test_the_readme_shows_no_other_command() -> None:
    known = {path for path, _ in _commands(application, "coral-runtime")} | {"coral-runtime"}
    assert _synopses().keys() == known


def _pipeline_commands() -> list[str]:
    """Return the commands that the examples of pipelines run, each on one line."""
    text = _read("docs/release-pipeline.md").replace("\\\n", " ")
    return re.findall(r"coral-runtime (?:[a-z]+ )+-[^\n;]*", text)


def test_pipelines_use_options_that_there_are() -> None:
    commands = _pipeline_commands()
    assert len(commands) > 10
    for command in commands:
        synopsis = _synopses()[" ".join(command.split()[:2])]
        own, _, _ = command.partition(" -- ")
        for option in re.findall(r"(?<=\s)--[a-z-]+", own):
            assert option in synopsis, command


def test_the_table_of_risks_is_the_one_of_the_code() -> None:
    rows = re.findall(
        r"^\| (high|medium|low) \| `([a-z-]+)` \| (.+) \|$",
        _read("docs/reviewing-a-lock.md"),
        re.MULTILINE,
    )
    assert rows == [(risk.level, risk.code, risk.sentence) for risk in RISKS.values()]


def test_every_start_option_is_explained() -> None:
    text = _read("docs/locked-start.md") + _read("docs/descriptor.md")
    for options in START_OPTIONS.values():
        for option in options:
            assert f"--{option.key}" in text or option.names[0] in text


def test_every_finding_has_its_section_and_no_other() -> None:
    text = _read("docs/findings.md")
    sections = dict(re.findall(r"^### ([a-z-]+)\n\n(.+)$", text, re.MULTILINE))
    assert sections == {code: each.meaning for code, each in CODES.items()}


@pytest.mark.parametrize("code", ["unusable-record", "unlocked-module"])
def test_a_finding_without_a_section_gets_one(code: str) -> None:
    page = _read("docs/findings.md")
    assert with_findings(page) == page
    lacking = re.sub(rf"(?ms)^### {code}\n.*?(?=^##|\Z)", "", page)
    section = f"\n### {code}\n\n{CODES[code].meaning}\n"
    complete = with_findings(lacking.rstrip("\n") + "\n")
    assert complete.count(section) == 1
    assert complete.replace(section, "") == lacking.rstrip("\n") + "\n"
    is_integrity = CODES[code].exit_code == INTEGRITY
    assert (complete.index(section) < complete.index("\n## What is installed")) == is_integrity


def test_a_field_of_the_lock_without_a_row_gets_one() -> None:
    page, schema = _read("docs/lock-format.md"), json.loads(schema_text("lock"))
    assert with_fields(page, schema) == page
    lacking = re.sub(r"(?m)^\| `env` .*\n", "", page)
    assert lacking != page
    described = schema["$defs"]["plugin"]["properties"]["env"]["description"]
    row = f"| `env` | array | {described} |\n"
    complete = with_fields(lacking, schema)
    assert complete.replace(row, "") == lacking
    assert complete.index("### `plugins`") < complete.index(row) < complete.index("### `excluded`")


def test_the_sections_of_findings_stand_under_their_exit_code() -> None:
    integrity = _read("docs/findings.md").partition("\n## Bytes that differ from the lock\n")[2]
    integrity = integrity.partition("\n## ")[0]
    assert "exit code 3" in integrity
    assert set(re.findall(r"^### ([a-z-]+)$", integrity, re.MULTILINE)) == {
        code for code, each in CODES.items() if each.exit_code == INTEGRITY
    }


@pytest.mark.parametrize("name", ["publishing-plugins.md", "publishing-plugins.zh-CN.md"])
def test_the_guide_names_every_attribute_of_the_config(name: str) -> None:
    text = _read(f"docs/{name}")
    assert [name for name in vars(RuntimeConfig()) if f"`{name}`" not in text] == []


def test_the_guide_s_plugin_is_the_fixture_s() -> None:
    blocks = [
        block
        for block in blocks_of(_read("docs/publishing-plugins.md"))
        if block.marker.get("file", "").endswith(("/coral_plugins.py", "/pyproject.toml"))
    ]
    project = "fixtures/plugins/my-package"
    assert blocks[0].text == _read(f"{project}/my_package/coral_plugins.py")
    assert blocks[1].text == _read(f"{project}/pyproject.toml")


def test_the_descriptor_s_page_names_every_variable_and_host_patch() -> None:
    text = _read("docs/descriptor.md")
    names = (*VARIABLES, *BUILT_IN_PATCHES)
    assert [name for name in names if name not in text] == []
    for name, path in VARIABLES.items():
        assert f"| `{name}` | `{'.'.join(path)}`" in text
    for name, path in FLAT_KEYS.items():
        assert f"| `{name}` | `{'.'.join(path)}` |" in text


def test_the_changelog_knows_this_version() -> None:
    assert f"\n## [{coral_lock.__version__}]" in _read("CHANGELOG.md")


def _modules() -> set[str]:
    """Return the packages of `coral_lock` and the modules that are in none of them, dotted."""
    root = REPOSITORY / "coral_lock"
    packages = {path.parent.relative_to(root) for path in root.rglob("__init__.py")}
    return {".".join(each.parts) for each in packages if each.parts} | {
        path.stem for path in root.glob("*.py") if path.stem != "__init__"
    }


def _listed_packages() -> list[list[str]]:
    """Return the rows of the architecture's table of packages, from the bottom up."""
    text = _read("docs/architecture.md")
    table = text.partition("\n| package or module |")[2].partition("\n\n")[0]
    return [re.findall(r"`([\w.]+)`", row.split("|")[1]) for row in table.split("\n")[2:]]


def test_the_architecture_names_every_package() -> None:
    assert sorted(name for row in _listed_packages() for name in row) == sorted(_modules())


def test_the_architecture_has_the_layers_that_are_enforced() -> None:
    settings = tomlkit.parse(_read("pyproject.toml")).unwrap()["tool"]["importlinter"]
    (contract,) = [each for each in settings["contracts"] if each["type"] == "layers"]
    assert contract["exhaustive"]
    assert [sorted(row) for row in _listed_packages()] == [
        sorted(name for name in _modules() if name.partition(".")[0] in layer.split(" | "))
        for layer in reversed(contract["layers"])
    ]


def _is_in_code(name: str) -> bool:
    """Whether a dotted name, without `coral_lock`, is that of a module or of what is in one."""
    steps = name.split(".")
    for length in range(len(steps), 0, -1):
        path = REPOSITORY.joinpath("coral_lock", *steps[:length])
        if path.is_dir() or path.with_suffix(".py").is_file():
            module = importlib.import_module(".".join(("coral_lock", *steps[:length])))
            try:
                reduce(getattr, steps[length:], module)
            except AttributeError:
                return False
            return True
    return False


def test_the_architecture_names_only_what_there_is() -> None:
    prose = re.sub(r"(?ms)^```.*?^```$", "", _read("docs/architecture.md"))
    literals = set(re.findall(r"`([^`]+)`", prose))
    added = re.findall(r"(?m)^--- ([\w./]+)", _read("docs/architecture.md"))
    paths = {each for each in literals if re.fullmatch(r"[\w./-]+(/|\.(py|md|json))", each)}
    dotted = {each for each in literals - paths if re.fullmatch(r"\w+(\.\w+)+", each)}
    assert len(paths) > 30
    assert len(dotted) > 30
    roots = (REPOSITORY, REPOSITORY / "coral_lock")
    assert [each for each in {*paths, *added} if not any((r / each).exists() for r in roots)] == []
    elsewhere = {"coral.lock", "importlib.metadata", "runtime.yaml", "coral_plugin.yaml"}
    assert {each for each in dotted if not _is_in_code(each)} == elsewhere


def test_the_documented_api_is_the_exported_one() -> None:
    changelog = _read("CHANGELOG.md") + _read("README.md")
    for name in ("lock", "verify", "init", "diff", "PluginSpec", "BackendAdapter"):
        assert name in coral_lock.__all__
        assert name in changelog


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = page.read_text(encoding="utf-8")
    inside = {
        number
        for block in blocks_of(text)
        for number in range(block.first_line, block.first_line + len(block.lines))
    }
    headings = (
        line.lstrip("#").strip().lower()
        for number, line in enumerate(text.split("\n"))
        if line.startswith("#") and number not in inside
    )
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.is_file(), target
        assert not anchor or anchor in _anchors(linked), target


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            targets = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
            waiting += [(page.parent / target).resolve() for target in targets]
    assert set(all_pages()) <= seen


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_place_of_one_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"/(?:tmp|root|home|Users|work)/", text) == []
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("page", [p for p in PAGES if p.values[0] in english_pages()])
def test_lines_of_prose_are_short(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    inside = {
        number
        for block in blocks_of(text)
        for number in range(block.first_line, block.first_line + len(block.lines))
    }
    long = [
        line
        for number, line in enumerate(text.split("\n"))
        if len(line) > 100 and number not in inside and not line.lstrip().startswith(("|", "<!--"))
    ]
    assert long == []
