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


CONFIG_OPTIONS = (
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
)
"""Where the descriptor comes from."""

VERSION_OPTIONS = (
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
)
"""The versions of hosts that aren't installed."""

LOCK_OPTION = Option(names=("--lock",), metavar="FILE", default="coral.lock", help="The lock.")

TRUST_OPTION = Option(
    names=("--trust-dir",),
    metavar="DIR",
    help="The directory with what was accepted. [default: /var/lib/coral-lock]",
)

ACCEPTED_OPTIONS = (
    Option(
        names=("--accepted",),
        help="Insist on the lock that `accept` accepted on this device.",
    ),
    TRUST_OPTION,
)
"""Whether a lock has to be accepted, and where that is written down."""

STATE_OPTION = Option(
    names=("--state-dir",),
    metavar="DIR",
    help="The directory of the bytecode cache and of the reports. "
    "[default: ~/.local/state/coral-lock]",
)

DEVICE_ID_OPTION = Option(
    names=("--device-id",),
    metavar="ID",
    help="What reports call this device. [default: $CORAL_LOCK_DEVICE_ID, else a UUID that is "
    "derived from the machine id]",
)

TEXTFILE_OPTION = Option(
    names=("--textfile",),
    metavar="FILE",
    help="Write metrics to FILE, for the textfile collector of Prometheus' node exporter.",
)

REPORTING_OPTIONS = (STATE_OPTION, DEVICE_ID_OPTION, TEXTFILE_OPTION)
"""Where and how reports of this device are written."""

_START_OPTIONS = (
    *CONFIG_OPTIONS,
    *VERSION_OPTIONS,
    Option(
        names=("--locked",),
        help="Verify this machine against the lock first, and activate only what it names.",
    ),
    LOCK_OPTION.replace(help="The lock to start from."),
    Option(
        names=("--integrity",),
        metavar="LEVEL",
        choices=("metadata", "imports", "full"),
        default="imports",
        help="Files to hash before anything runs: none, those of plugins' distributions (the "
        "others when they are imported), or all.",
    ),
    Option(names=("--report",), metavar="FILE", help="Also write the activation report to FILE."),
    *REPORTING_OPTIONS,
    Option(
        names=("--closed",),
        help="Hide distributions that the lock doesn't name, so that they can't be imported.",
    ),
    *ACCEPTED_OPTIONS,
)

START_OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "init": _START_OPTIONS,
    "run": (
        *_START_OPTIONS,
        Option(
            names=("--eager",),
            help="Start the host before the program, not when the program imports it.",
        ),
        Option(
            names=("--strict-children",),
            help="Refuse to start processes that can't be put under the lock.",
        ),
    ),
}
"""The options of the commands that start plugins, by the command's name."""


class Arguments(Record):
    """A parsed command line: the values that it gives by option key, and the program after `--`."""

    values: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, str]
    program: tuple[str, ...] = ()

    def flag(self, key: str) -> bool:
        return key in self.values

    def last(self, key: str) -> str | None:
        return self.values[key][-1] if key in self.values else self.defaults.get(key)

    def all(self, key: str) -> tuple[str, ...]:
        return self.values.get(key, ())


def parse(command: str, words: Sequence[str]) -> Arguments:
    """Return what the words after `init` or `run` say.

    Long options may be written `--name=value` or `--name value`, short ones `-c value` or
    `-cvalue`.

    Raises:
        UsageError: an option is unknown, lacks its value or has one too many, or a word is
            left over.
    """
    by_name = {name: option for option in START_OPTIONS[command] for name in option.names}
    values: dict[str, tuple[str, ...]] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--" and command == "run":
            break
        name, value = _split(word, by_name)
        option = by_name.get(name)
        problem = None
        if option is None:
            problem = f"unexpected argument `{word}`"
            if word.startswith("-"):
                problem = no_such("option", name, by_name)
            elif command == "run":
                problem += ": the program goes after `--`"
        elif option.metavar is None:
            if value is not None:
                problem = f"the option `{name}` takes no value"
            value = ""
        else:
            value = rest.pop(0) if value is None and rest else value
            if not value:
                problem = f"the option `{name}` needs a value: {option.metavar}"
            elif option.choices and value not in option.choices:
                problem = f"`{name}` is one of {', '.join(option.choices)}, not `{value}`"
        if option is None or value is None or problem:
            raise UsageError(str(problem), hint=f"see `coral-runtime {command} --help`")
        values[option.key] = (*values.get(option.key, ()), value)
    defaults = {each.key: each.default for each in START_OPTIONS[command] if each.default}
    return Arguments(values=values, defaults=defaults, program=tuple(rest))


def _split(word: str, by_name: Mapping[str, Option]) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, separator, value = word.partition("=")
        return name, value if separator else None
    if len(word) > 2 and word[:2] in by_name:
        return word[:2], word[2:].removeprefix("=")
    return word, None


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message about an option or a command that doesn't exist."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"no such {what}: `{name}`" + (f"; did you mean `{near[0]}`?" if near else "")


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


def trust_directory(is_accepted: bool, directory: str | None) -> str | None:
    """Return the directory that `--trust-dir` names, None for the default.

    Raises:
        UsageError: it is named, and nothing has to be accepted.
    """
    if directory is not None and not is_accepted:
        raise UsageError(
            "`--trust-dir` needs `--accepted`: without it, nothing is looked up there",
            hint="add `--accepted`, or remove it",
        )
    return directory
