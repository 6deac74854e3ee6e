"""`coral-runtime git`: git shows and merges locks by what they say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator

import click

from coral_lock.canonical_json import write
from coral_lock.cli.application import CommandGroup, lock_option
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, InputError, LockError, UsageError, printable
from coral_lock.lockfile.entries import to_mapping
from coral_lock.lockfile.file import parse_lock, read_lock_bytes
from coral_lock.lockfile.merging import Merge, merge
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import read_lock
from coral_lock.messages import say, say_error, size_of
from coral_lock.repository import Repository
from coral_lock.safe_files import read_named_file, write_durably

_NAME = "coral-lock"
_MAX_ATTRIBUTES_BYTES = 1 << 20
_MAX_NAMED = 10


@click.group(cls=CommandGroup)
def git() -> None:
    """Show and merge locks in git by what they say, not by lines.

    \b
    Examples:
      coral-runtime git install
      coral-runtime git merge
    """


@git.command()
@lock_option
def install(lock: str) -> int:
    """Set up this clone: `git diff` and `git log -p` show entries, merges merge entries.

    Adds a line to the .gitattributes beside the lock, which is to be committed, and settings
    to the configuration of this clone. Without these settings, as in other clones and on a
    forge, git treats the lock as text.

    \b
    Examples:
      coral-runtime git install
      coral-runtime git install --lock deploy/coral.lock
    """
    path, line = _attributes(lock)
    repository = Repository(os.path.dirname(lock) or ".")
    program = shlex.join(_program())
    for key, value in (
        (f"diff.{_NAME}.textconv", f"{program} git textconv"),
        (f"diff.{_NAME}.cachetextconv", "false"),
        (f"merge.{_NAME}.name", "coral-runtime: merge coral.lock entry by entry"),
        (f"merge.{_NAME}.driver", f"{program} git merge-driver %O %A %B %P"),
    ):
        repository.run("config", "--local", key, value)
    text = _read(path)
    if line not in text.splitlines():
        separator = "" if not text or text.endswith("\n") else "\n"
        write_durably(path, f"{text}{separator}{line}\n")
        say(f"added `{line}` to {path}: commit it")
    say("git shows and merges the lock by its entries in this clone")
    return HOLDS


@git.command()
@lock_option
def uninstall(lock: str) -> int:
    """Take back what `git install` set up.

    \b
    Examples:
      coral-runtime git uninstall
    """
    repository = Repository(os.path.dirname(lock) or ".")
    for section in (f"diff.{_NAME}", f"merge.{_NAME}"):
        if repository.answers("config", "--local", "--get-regexp", f"^{section}\\."):
            repository.run("config", "--local", "--remove-section", section)
    path, line = _attributes(lock)
    lines = _read(path).splitlines()
    if line in lines:
        kept = [each for each in lines if each != line]
        if kept:
            write_durably(path, "".join(f"{each}\n" for each in kept))
        else:
            os.unlink(path)
        say(f"removed `{line}` from {path}")
    say("git shows and merges the lock as text in this clone")
    return HOLDS


@git.command("merge")
@lock_option
def merge_stages(lock: str) -> int:
    """Merge a lock that a merge, rebase, cherry-pick or stash pop left in conflict.

    The three sides come out of git's index and are merged entry by entry. What both sides
    changed in different ways is named and marked in the file.

    \b
    Examples:
      coral-runtime git merge
      coral-runtime git merge --lock deploy/coral.lock
    """
    repository = Repository(os.path.dirname(lock) or ".")
    stages = repository.stages(repository.relative(lock))
    if not {"ours", "theirs"} <= stages.keys():
        raise InputError(
            f"git has no unfinished merge of `{lock}`",
            expected="a lock that both sides changed",
            found=f"{' and '.join(stages)} alone" if stages else "no conflict",
            hint="see `git status`; where one side removed the lock, keep or remove it",
        )
    sides = {name: parse_lock(stages[name], f"{lock} ({name})") for name in sorted(stages)}
    merged = merge(sides.get("base"), sides["ours"], sides["theirs"])
    write_durably(lock, merged.text)
    code = _account(merged, lock)
    if code == HOLDS:
        say(f"merged {lock}: {size_of(read_lock(merged.text))}")
        say(f"  hint: see `coral-runtime lock --check`, then `git add {shlex.quote(lock)}`")
    return code


@git.command("merge-driver", hidden=True)
@click.argument("base")
@click.argument("ours")
@click.argument("theirs")
@click.argument("path")
def merge_driver(base: str, ours: str, theirs: str, path: str) -> int:
    """Merge as git asks a driver to: the result replaces OURS.

    https://git-scm.com/docs/gitattributes#_defining_a_custom_merge_driver

    \b
    Examples:
      coral-runtime git merge-driver %O %A %B %P
    """
    content = read_lock_bytes(base)
    merged = merge(
        # Where both sides added the file, the base is empty.
        parse_lock(content, f"{path} (base)") if content else None,
        parse_lock(read_lock_bytes(ours), f"{path} (ours)"),
        parse_lock(read_lock_bytes(theirs), f"{path} (theirs)"),
    )
    with open(ours, "w", encoding="utf-8", newline="") as file:
        file.write(merged.text)
    return _account(merged, path)


@git.command(hidden=True)
@click.argument("file")
def textconv(file: str) -> int:
    """Print a lock as git's diff is to see it: a line for each thing that an entry says.

    https://git-scm.com/docs/gitattributes#_performing_text_diffs_of_binary_files

    \b
    Examples:
      coral-runtime git textconv coral.lock
    """
    content = read_lock_bytes(file)
    try:
        lock = parse_lock(content, file)
    except LockError:
        # One with conflict markers, or of another version, is shown as it is.
        click.echo(content, nl=False)
        return HOLDS
    for line in _lines(lock):
        click.echo(printable(line))
    return HOLDS


def _lines(lock: Lock) -> Iterator[str]:
    """Yield a lock line by line, each complete without the lines around it."""
    for section, value in to_mapping(lock).items():
        if not isinstance(value, dict):
            yield f"{section}: {value}"
            continue
        for name, entry in value.items():
            if not isinstance(entry, dict):
                yield f"{section}.{name}: {entry}"
                continue
            for field, content in entry.items():
                if isinstance(content, dict):
                    yield from (f"{name}: {field}: {key}: {_flat(content[key])}" for key in content)
                elif content not in ("", None, False, []):
                    yield f"{name}: {field}: {_flat(content)}"


def _flat(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return " ".join(write(value).split())  # type: ignore[arg-type]


def _account(merged: Merge, path: str) -> int:
    """Say what can't be merged; return the exit code."""
    if merged.problem is not None:
        say_error(
            LockError(
                f"what was merged isn't a lock: {merged.problem.message}",
                where=f"{path}: {merged.problem.path}",
                hint="one side removed what the other one needs: run `coral-runtime lock`",
            )
        )
        return DOES_NOT_HOLD
    if merged.conflicts:
        shown = [f"`{printable(place)}`" for place in merged.conflicts[:_MAX_NAMED]]
        rest = len(merged.conflicts) - len(shown)
        say_error(
            LockError(
                "both sides changed the same entries in different ways",
                found=", ".join(shown) + (f" and {rest} more" if rest else ""),
                where=path,
                hint="keep one side of each between the markers, or take a side of the whole lock "
                "(`git checkout --ours FILE`) and run `coral-runtime lock`",
            )
        )
        return DOES_NOT_HOLD
    return HOLDS


def _program() -> list[str]:
    """Return how git is to call this program: by an absolute path, and never by what a
    repository could put into its way."""
    script = shutil.which(sys.argv[0])
    if script and os.path.basename(script).startswith("coral-runtime"):
        return [os.path.abspath(script)]
    return [sys.executable, "-I", "-m", "coral_lock"]


def _attributes(lock: str) -> tuple[str, str]:
    """Return the .gitattributes beside a lock, and the line that it has.

    https://git-scm.com/docs/gitattributes#_description
    """
    directory, name = os.path.split(lock)
    if not name:
        raise UsageError("`--lock` names no file", found=lock, hint="name the lock itself")
    pattern = re.sub(r"([][*?\\])", r"\\\1", name)
    if set(name) & set(' "#!'):
        pattern = '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        os.path.join(directory, ".gitattributes"),
        f"{pattern} -text diff={_NAME} merge={_NAME}",
    )


def _read(path: str) -> str:
    if not os.path.lexists(path):
        return ""
    content = read_named_file(path, _MAX_ATTRIBUTES_BYTES, what=".gitattributes", hint="")
    return content.decode("utf-8")
