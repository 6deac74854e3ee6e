"""The whole command line, and what is said of its mistakes, whatever the version of click."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coral_lock.cli.application import application
from tests.support.environments import clean_environment
from tests.support.in_process import WorkingDirectory

Words = tuple[str, ...]


def _commands(
    group: click.Group = application, path: Words = ()
) -> Iterator[tuple[Words, click.Command]]:
    """Yield each command and group with the words that name it."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(_commands())
GROUPS = [path for path, command in COMMANDS.items() if isinstance(command, click.Group)]
STARTS = [("init",), ("run",)]
"""The commands that aren't parsed by click."""

VALUED = [
    (path, name, option.nargs)
    for path, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag and option.opts != ["--git"]
    for name in option.opts
]


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    return WorkingDirectory(directory=tmp_path)


def _called(path: Words) -> str:
    return " ".join(("coral-runtime", *path))


def _error(message: str, path: Words) -> tuple[int, str, str]:
    return _bad_usage(path), "", f"error: {message}\n  hint: see `{_called(path)} --help`\n"


def _bad_usage(path: Words) -> int:
    """`run` has codes of its own, since its program's are the others."""
    return 78 if path == ("run",) else 2


def _outcome(work: WorkingDirectory, *words: str) -> tuple[int, str, str]:
    if words[:1] in STARTS:
        # They end the process that they are called in.
        finished = _process(work.directory, *words)
        return finished.returncode, finished.stdout, finished.stderr
    outcome = work.coral(*words)
    return outcome.code, outcome.stdout, outcome.stderr


def _process(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    safe = ("-P",) if sys.version_info >= (3, 11) else ()
    return subprocess.run(
        (sys.executable, *safe, "-m", "coral_lock", *words),
        cwd=directory,
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_there_are_commands_to_test() -> None:
    groups = ("plugins", "manifest", "config", "git", "report", "fleet")
    assert [(), *((name,) for name in groups)] == GROUPS
    assert len(COMMANDS) == 42
    assert len(VALUED) > 50


@pytest.mark.parametrize("path", COMMANDS, ids=_called)
def test_help(work: WorkingDirectory, path: Words) -> None:
    for name in ("-h", "--help"):
        code, stdout, stderr = _outcome(work, *path, name)
        assert (code, stderr) == (0, "")
        assert stdout.startswith(f"Usage: {_called(path)} ")
        assert "\n  Examples:\n" in stdout


@pytest.mark.parametrize("path", STARTS, ids=_called)
def test_help_in_place_of_a_value(work: WorkingDirectory, path: Words) -> None:
    stdout = work.coral(*path, "--help").stdout
    assert _outcome(work, *path, "--locked", "--lock", "--help") == (0, stdout, "")


@pytest.mark.parametrize("path", GROUPS, ids=_called)
def test_a_group_alone_prints_its_help_and_is_a_mistake(
    work: WorkingDirectory, path: Words
) -> None:
    assert _outcome(work, *path) == (2, "", work.coral(*path, "--help").stdout)


def test_the_command_alone_as_a_process(tmp_path: Path) -> None:
    finished = _process(tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("Usage: coral-runtime [OPTIONS] COMMAND [ARGS]...\n")


def test_the_version(work: WorkingDirectory) -> None:
    code, stdout, stderr = _outcome(work, "--version")
    assert (code, stderr) == (0, "")
    assert stdout.startswith("coral-runtime of coral-lock 0.")


@pytest.mark.parametrize("path", COMMANDS, ids=_called)
def test_an_unknown_option(work: WorkingDirectory, path: Words) -> None:
    for name in ("--zzz", "-z"):
        assert _outcome(work, *path, name) == _error(f"no such option: `{name}`", path)


@pytest.mark.parametrize(("path", "name", "count"), VALUED)
def test_an_option_without_its_value(
    work: WorkingDirectory, path: Words, name: str, count: int
) -> None:
    code, stdout, stderr = _outcome(work, *path, name)
    message = (
        f"the option `{name}` needs a value: "
        if path in STARTS
        else (f"option `{name}` requires {'an argument' if count == 1 else f'{count} arguments'}\n")
    )
    assert (code, stdout) == (_bad_usage(path), "")
    assert stderr.startswith(f"error: {message}")
    assert stderr.endswith(f"\n  hint: see `{_called(path)} --help`\n")


@pytest.mark.parametrize(
    ("words", "path", "message"),
    [
        (("zzz",), (), "no such command: `zzz`"),
        (("lokc",), (), "no such command: `lokc`; did you mean `lock`?"),
        (("-",), (), "no such command: `-`"),
        (("--", "zzz"), (), "no such command: `zzz`"),
        (("plugins", "lst"), ("plugins",), "no such command: `lst`; did you mean `list`?"),
        (("config", "validat"), ("config",), "no such command: `validat`; did you mean "
         "`validate`?"),
        (("--hlep",), (), "no such option: `--hlep`; did you mean `--help`?"),
        (("lock", "--chekc"), ("lock",), "no such option: `--chekc`; did you mean `--check`?"),
        (("init", "--lokced"), ("init",), "no such option: `--lokced`; did you mean `--locked`?"),
        (("plugins", "list", "-x1"), ("plugins", "list"), "no such option: `-x`"),
        (("lock", "--check=1"), ("lock",), "option `--check` does not take a value"),
        (("init", "--locked=1"), ("init",), "the option `--locked` takes no value"),
        (("lock", "more"), ("lock",), "got unexpected extra argument (more)"),
        (("diff", "a", "b", "c", "d"), ("diff",), "got unexpected extra arguments (c d)"),
        (("init", "more"), ("init",), "unexpected argument `more`"),
        (("run", "more"), ("run",), "unexpected argument `more`: the program goes after `--`"),
        (("explain",), ("explain",), "missing argument `ID`"),
        (("plugins", "new"), ("plugins", "new"), "missing argument `NAME`"),
        (("manifest", "show"), ("manifest", "show"), "missing argument `DISTRIBUTION|WHEEL`"),
        (("export", "--wheels=x"), ("export",), "missing option `--format`. Choose from: "
         "requirements, pylock, cyclonedx"),
        (("export", "--format=zzz"), ("export",), "invalid value for `--format`: `zzz` is not one "
         "of `requirements`, `pylock`, `cyclonedx`"),
        (("verify", "--integrity", "zzz"), ("verify",), "invalid value for `--integrity`: `zzz` "
         "is not one of `metadata`, `imports`, `full`"),
        (("init", "--integrity", "zzz"), ("init",), "`--integrity` is one of metadata, imports, "
         "full, not `zzz`"),
    ],
)  # fmt: skip
def test_a_mistake(work: WorkingDirectory, words: Words, path: Words, message: str) -> None:
    assert _outcome(work, *words) == _error(message, path)


NO_LOCK = "there is no lock"
NO_DESCRIPTOR = "there is no descriptor"


@pytest.mark.parametrize(
    ("words", "message", "where"),
    [
        (("lock", "-c", "gone.yaml"), NO_DESCRIPTOR, "gone.yaml"),
        (("plugins", "list", "-c", "gone.yaml"), NO_DESCRIPTOR, "gone.yaml"),
        (("config", "validate", "-c", "gone.yaml"), NO_DESCRIPTOR, "gone.yaml"),
        (("init", "-c", "gone.yaml"), NO_DESCRIPTOR, "gone.yaml"),
        (("lock", "--check"), NO_LOCK, "coral.lock"),
        (("verify",), NO_LOCK, "coral.lock"),
        (("export", "--format=pylock", "--wheels=."), NO_LOCK, "coral.lock"),
        (("diff", "gone.lock", "gone.lock"), NO_LOCK, "gone.lock"),
        (("init", "--locked", "--lock", "gone.lock"), NO_LOCK, "gone.lock"),
        (("manifest", "validate", "gone.yaml"), "there is no manifest", "gone.yaml"),
        (("manifest", "compile", "gone"), "there is no `pyproject.toml`",
         "gone/pyproject.toml"),
        (("plugins", "check", "gone/"), "there is no `pyproject.toml`",
         "gone/pyproject.toml"),
        (("plugins", "check", "gone.whl"), "wheel not found", "gone.whl"),
        (("lock", "--wheels", "gone"), "the wheelhouse can't be listed: No such file or directory",
         "gone"),
    ],
)  # fmt: skip
def test_a_missing_file(work: WorkingDirectory, words: Words, message: str, where: str) -> None:
    code, stdout, stderr = _outcome(work, *words)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"error: {message}\n  where: {where}\n  hint: ")
