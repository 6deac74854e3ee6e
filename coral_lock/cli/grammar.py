"""The command lines of `init` and `run`: one table, parsed here without click.

A device reads these two command lines at every start, and importing click takes longer
than the start itself. `cli.application` renders their help with click from the same table.
"""

from __future__ import annotations

import os

from coral_lock.errors import UsageError
from coral_lock.messages import say
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


DEFAULT_DESCRIPTOR = "runtime.yaml"


class Option(Record):
    """One option: its spellings, and the name of its value; a flag has no metavar."""

    names: tuple[str, ...]
    help: str
    metavar: str | None = None
    multiple: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None

    @property
    def key(self) -> str:
        """The longest spelling without its dashes: the key in `Arguments`."""
        return max(self.names, key=len).removeprefix("--")


class StartCommand(Record):
    """A command that starts plugins; `takes_program` says whether a program follows `--`."""

    name: str
    summary: str
    details: str
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    takes_program: bool = False


_OPTIONS = (
    Option(
        names=("-c", "--config"),
        metavar="FILE",
        help="The descriptor, YAML or JSON. [default: runtime.yaml, if any]",
    ),
    Option(names=("--no-config",), help="Don't use the runtime.yaml of this directory."),
    Option(
        names=("--set",),
        metavar="KEY=VALUE",
        multiple=True,
        help="Override a key of the descriptor, e.g. patches.camera=false. May be repeated.",
    ),
    Option(names=("--no-env",), help="Ignore the CORAL_* environment variables."),
    Option(
        names=("--core-version",),
        metavar="V",
        help="The version of coral-inference, if it isn't installed.",
    ),
    Option(
        names=("--inference-version",),
        metavar="V",
        help="The version of the inference host, if it isn't installed.",
    ),
    Option(
        names=("--locked",),
        help="Verify this machine against the lock first, and activate only what it names.",
    ),
    Option(names=("--lock",), metavar="FILE", default="coral.lock", help="The lock to start from."),
    Option(
        names=("--integrity",),
        metavar="LEVEL",
        choices=("metadata", "imports", "full"),
        default="imports",
        help="Files to hash before anything runs: none, those of plugins' distributions (the "
        "others when they are imported), or all.",
    ),
    Option(names=("--report",), metavar="FILE", help="Also write the activation report to FILE."),
    Option(
        names=("--state-dir",),
        metavar="DIR",
        help="The directory of the bytecode cache. [default: ~/.local/state/coral-lock]",
    ),
    Option(
        names=("--closed",),
        help="Hide distributions that the lock doesn't name, so that they can't be imported.",
    ),
)

START_COMMANDS = {
    "init": StartCommand(
        name="init",
        summary="Activate plugins and print the activation report as JSON.",
        details="With --locked, the machine is verified against the lock before anything is "
        "imported, and only what the lock names is activated. Without it, what is installed "
        "is resolved now. Standard output belongs to the report; what plugins print goes to "
        "standard error.",
        options=_OPTIONS,
        examples=(
            "coral-runtime init --locked",
            "coral-runtime init --locked -c runtime.yaml --report report.json",
            "coral-runtime init -c runtime.yaml --set patches.night_vision=false",
        ),
    ),
    "run": StartCommand(
        name="run",
        summary="Start as `init --locked` does, then run a Python program in the same process.",
        details="The exit code is the program's own. If the start fails, the program isn't run, "
        "or is ended, with 78 (refused), 77 (bytes differ from the lock), 126 (the program can't "
        "be run), 127 (program not found) or 75 (a temporary failure).",
        options=(
            *_OPTIONS,
            Option(
                names=("--eager",),
                help="Start the host before the program, not when the program imports it.",
            ),
            Option(
                names=("--strict-children",),
                help="Refuse to start processes that can't be put under the lock.",
            ),
        ),
        examples=(
            "coral-runtime run --locked -- python app.py --port 9001",
            "coral-runtime run --locked -c runtime.yaml -- uvicorn app:app",
        ),
        takes_program=True,
    ),
}


class Arguments(Record):
    """A parsed command line: values by option key, and the program after `--`.

    `given` has the keys of the options that aren't defaults.
    """

    values: Mapping[str, tuple[str, ...]]
    given: frozenset[str] = frozenset()
    program: tuple[str, ...] = ()

    def flag(self, key: str) -> bool:
        return key in self.values

    def last(self, key: str) -> str | None:
        values = self.values.get(key, ())
        return values[-1] if values else None

    def all(self, key: str) -> tuple[str, ...]:
        return self.values.get(key, ())


def parse(command: StartCommand, words: Sequence[str]) -> Arguments:
    """Return what the words behind the command's name say.

    Long options may be written `--name=value` or `--name value`, short ones `-c value` or
    `-cvalue`. Defaults are filled in.

    Raises:
        UsageError: an option is unknown, lacks its value or has one too many, or a word is
            left over.
    """
    by_name = {name: option for option in command.options for name in option.names}
    values = {option.key: (option.default,) for option in command.options if option.default}
    given: set[str] = set()
    program: tuple[str, ...] = ()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--" and command.takes_program:
            program = tuple(rest)
            break
        name, value = _split(word, by_name)
        if name not in by_name:
            raise _usage(command, _unknown(word, name, by_name, command))
        option = by_name[name]
        if option.metavar is None:
            if value is not None:
                raise _usage(command, f"the option `{name}` takes no value")
            value = ""
        else:
            if value is None and rest:
                value = rest.pop(0)
            if not value:
                raise _usage(command, f"the option `{name}` needs a value: {option.metavar}")
            if option.choices and value not in option.choices:
                choices = ", ".join(option.choices)
                raise _usage(command, f"`{name}` is one of {choices}, not `{value}`")
        earlier = values[option.key] if option.multiple and option.key in given else ()
        given.add(option.key)
        values[option.key] = (*earlier, value)
    return Arguments(values=values, given=frozenset(given), program=program)


def _split(word: str, by_name: Mapping[str, Option]) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, separator, value = word.partition("=")
        return name, value if separator else None
    if len(word) > 2 and word[:2] in by_name:
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _unknown(word: str, name: str, known: Iterable[str], command: StartCommand) -> str:
    if word.startswith("-"):
        return no_such("option", name, known)
    what = f"unexpected argument `{word}`"
    return f"{what}: the program goes after `--`" if command.takes_program else what


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message about an option or a command that doesn't exist."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"no such {what}: `{name}`" + (f"; did you mean `{near[0]}`?" if near else "")


def _usage(command: StartCommand, message: str) -> UsageError:
    return UsageError(message, hint=f"see `coral-runtime {command.name} --help`")


def descriptor_path(config: str | None, no_config: bool) -> str | None:
    """Return the path of the descriptor's file, None for none.

    Where none is named, that is the `runtime.yaml` of the working directory, and standard
    error says that it is used.

    Args:
        config: what `--config` names, or None.
        no_config: whether `--no-config` is given.

    Raises:
        UsageError: both are.
    """
    if config is not None and no_config:
        raise UsageError(
            "`--config` and `--no-config` are mutually exclusive", hint="leave one of them out"
        )
    if config is not None or no_config or not os.path.lexists(DEFAULT_DESCRIPTOR):
        return config
    say(f"using `{DEFAULT_DESCRIPTOR}`; `--no-config` leaves it out")
    return DEFAULT_DESCRIPTOR
