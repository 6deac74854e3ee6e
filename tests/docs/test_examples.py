"""Every console example of the documentation gives what it shows."""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.document.schema import schema_text
from coral_lock.errors import CoralLockError
from coral_lock.manifest import read_manifest
from coral_lock.plugin.facts import MANIFEST_NAME
from coral_lock.signing.keyring import CONFIGURATION
from tests.docs.pages import Block, all_pages, blocks_of, english_pages, page_name
from tests.docs.sessions import Comparable, PageRunner, accidents_in
from tests.support.wheelhouse import REPOSITORY

ENGLISH = [pytest.param(page, id=page_name(page)) for page in english_pages()]
LANGUAGES = {"console", "diff", "dockerfile", "ini", "python", "sh", "sql", "text", "toml", "yaml"}
PIPELINES = {
    ".gitlab-ci.yml",
    ".pre-commit-config.yaml",
    "lock.yaml",
    "review.yaml",
    "review.yml",
}
"""Files of CI services and of pre-commit."""
WRONG_DESCRIPTORS = {"wrong.yaml"}
"""Files by which the documentation shows what mistakes look like."""


def _blocks(page: Path) -> list[Block]:
    return blocks_of(page.read_text(encoding="utf-8"))


def _chosen(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page_name(page)}:{block.first_line}")
        for page, block in _blocks_in(language)
    ]


def _blocks_in(language: str) -> list[tuple[Path, Block]]:
    return [
        (page, block)
        for page in english_pages()
        for block in _blocks(page)
        if block.language == language
    ]


@pytest.mark.parametrize("page", ENGLISH)
def test_the_documented_output_is_the_real_one(
    page: Path, tmp_path: Path, wheelhouse: Path
) -> None:
    documented: list[str] = []
    found: list[str] = []
    for block, lines in PageRunner(tmp_path, wheelhouse).run(_blocks(page)):
        documented += block.lines
        found += lines
    difference = "\n".join(
        difflib.unified_diff(
            Comparable().lines(documented),
            Comparable().lines(found),
            f"{page_name(page)}, as documented",
            "as it is; `python -m tests.docs.update` writes it",
            lineterm="",
        )
    )
    if difference:
        pytest.fail(difference, pytrace=False)


@pytest.mark.parametrize("page", ENGLISH)
def test_no_documented_output_is_an_accident(page: Path) -> None:
    outputs = [block.lines for block in _blocks(page) if block.language == "console"]
    assert [line for lines in outputs for line in accidents_in(lines)] == []


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in all_pages()])
def test_every_block_says_its_language(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {block.language for block in _blocks(page)} <= LANGUAGES
    fences = [line for line in text.split("\n") if line.lstrip().startswith(("```", "~~~"))]
    assert len(fences) == 2 * len(_blocks(page)), "a fence is indented or isn't closed"


def test_examples_start_the_script() -> None:
    """`python -m coral_lock` would look for it in the working directory first."""
    blocks = [block.text for page in all_pages() for block in _blocks(page)]
    assert [text for text in blocks if "-m coral_lock" in text] == []


@pytest.mark.parametrize("block", _chosen("python"))
def test_python_examples_are_run(block: Block) -> None:
    """Those that are written to files run in a session, or are imported by the tool there."""
    compile(block.text, "<example>", "exec")
    assert "file" in block.marker


@pytest.mark.parametrize("block", _chosen("yaml"))
def test_yaml_examples_are_descriptors_manifests_or_pipelines(block: Block, tmp_path: Path) -> None:
    import yaml

    if "playbook" in block.marker:
        playbook = REPOSITORY / "ansible" / "playbooks" / block.marker["playbook"]
        assert block.text == playbook.read_text(encoding="utf-8")
        return
    path = tmp_path / Path(block.marker["file"]).name
    path.write_text(block.text, encoding="utf-8")
    if path.name in PIPELINES:
        assert isinstance(yaml.safe_load(block.text), dict)
    elif path.name == MANIFEST_NAME:
        read_manifest(block.text.encode(), path.name)
        jsonschema.validate(yaml.safe_load(block.text), json.loads(schema_text("manifest")))
    elif path.name == CONFIGURATION:
        jsonschema.validate(yaml.safe_load(block.text), json.loads(schema_text("keyring")))
    elif path.name in WRONG_DESCRIPTORS:
        with pytest.raises(CoralLockError):
            load_descriptor(str(path))
    else:
        load_descriptor(str(path))
        jsonschema.validate(yaml.safe_load(block.text), json.loads(schema_text("descriptor")))


@pytest.mark.parametrize("block", _chosen("sh"))
def test_shell_examples_parse(block: Block) -> None:
    done = subprocess.run(("sh", "-n"), input=block.text, text=True, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("target", "python", "architecture", "glibc"),
    [("gateway", "3.12", "x86_64", 28), ("jetson", "3.10", "aarch64", 31)],
)
def test_the_pipeline_fetches_what_fits_its_targets(
    target: str, python: str, architecture: str, glibc: int, tmp_path: Path
) -> None:
    """pip takes a platform tag literally, so every tag that fits has to be named."""
    (script,) = [block for _, block in _blocks_in("sh") if "file" in block.marker]
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    pip.chmod(0o755)
    finished = subprocess.run(
        ("sh", "-s", target, "-r", "requirements.in"),
        input=script.text,
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == [
        *("download", "--dest", "wheelhouse", "--only-binary=:all:", "--python-version", python),
        *(f"--platform=manylinux_2_{minor}_{architecture}" for minor in range(glibc, 16, -1)),
        *(f"--platform=manylinux2014_{architecture}", f"--platform=linux_{architecture}"),
        *("-r", "requirements.in"),
    ]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
@pytest.mark.parametrize("block", _chosen("toml"))
def test_toml_examples_parse(block: Block) -> None:
    if sys.version_info >= (3, 11):
        import tomllib

        assert tomllib.loads(block.text)


def _documents(key: str) -> list[Any]:
    """Return the JSON documents in the output of examples that have a member `key`."""
    found = []
    for page in english_pages():
        for block in _blocks(page):
            lines = block.lines if block.language == "console" else ()
            for start, line in enumerate(lines):
                if line == "{" and "}" in lines[start:]:
                    end = lines.index("}", start)
                    document = json.loads("\n".join(lines[start : end + 1]))
                    if key in document:
                        found.append(document)
    return found


@pytest.mark.parametrize(
    ("key", "schema", "part"),
    [
        ("lock_version", "lock", None),
        ("report_version", "activation-report", None),
        ("origins", "descriptor", "descriptor"),
    ],
)
def test_documents_in_examples_obey_their_schemas(key: str, schema: str, part: str | None) -> None:
    documents = _documents(key)
    assert documents
    for document in documents:
        jsonschema.validate(document[part] if part else document, json.loads(schema_text(schema)))
