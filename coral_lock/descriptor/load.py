"""Loading a descriptor: its file, then the environment, then `--set`."""

from __future__ import annotations

from coral_lock.descriptor.environment import read_environment
from coral_lock.descriptor.merge import merged_descriptor
from coral_lock.descriptor.sections import add_contradiction, read_sections
from coral_lock.descriptor.settings import read_setting
from coral_lock.document.mistakes import Mistakes
from coral_lock.errors import InputError, ProblemsError
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.descriptor.sections import Setting, Settings
    from coral_lock.document.node import Node

MAX_DESCRIPTOR_BYTES = 1024 * 1024
MAX_MISTAKES = 50
"""How many mistakes are told; a file with more is no descriptor at all."""


def load_descriptor(
    path: str | None,
    *,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Descriptor:
    """Return the descriptor that the sources give, a later one winning.

    Args:
        path: the file, YAML or (with the suffix `.json`) JSON; None for no file.
        settings: the `--set` arguments, `KEY=VALUE` each, which win over all else.
        environment: the variables, which win over the file; None for no environment.

    Raises:
        InputError: there is one mistake, or the file can't be read.
        ProblemsError: there are several mistakes: those of the file by position, then the
            environment's by name, then those of `settings` in their order.
    """
    sources: list[Settings] = []
    problems: list[InputError] = []
    warnings: list[str] = []
    if path is not None:
        try:
            mistakes = Mistakes()
            root = _read_file(path, mistakes)
            sources.append(read_sections(root, mistakes))
            _gather(mistakes, problems, warnings)
        except InputError as error:
            _gather(mistakes, problems, warnings)
            problems.append(error)
    if environment is not None:
        mistakes = Mistakes()
        sources += [
            read_sections(root, mistakes) for root in read_environment(environment, mistakes)
        ]
        _gather(mistakes, problems, warnings)
    said: dict[tuple[str, ...], Setting] = {}
    for setting in settings:
        mistakes = Mistakes()
        read = read_setting(setting, mistakes)
        if read is not None:
            sources.append(read_sections(read.root, mistakes, read.synonym))
            for keys, value in sources[-1].values.items():
                add_contradiction(said.get(keys, value), value, read.root.place, mistakes)
                said[keys] = value
        _gather(mistakes, problems, warnings)
    _raise_for(problems)
    return merged_descriptor(sources, tuple(warnings))


def _gather(mistakes: Mistakes, problems: list[InputError], warnings: list[str]) -> None:
    problems += mistakes.in_order()
    warnings += mistakes.warnings


def _raise_for(problems: list[InputError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        message = f"the descriptor has {len(problems)} mistakes"
        if len(problems) > MAX_MISTAKES:
            message += f", the first {MAX_MISTAKES} of which are these"
        raise ProblemsError(message, tuple(problems[:MAX_MISTAKES]))


def _read_file(path: str, mistakes: Mistakes) -> Node:
    content = _read_bytes(path)
    # A start with neither file nor collections pays for no parser.
    from coral_lock.document.characters import decode

    text = decode(content, path)
    if path.lower().endswith(".json"):
        from coral_lock.document.json_reader import read_json

        return read_json(text, path, mistakes)
    from coral_lock.document.yaml_reader import read_yaml

    return read_yaml(text, path, mistakes)


def _read_bytes(path: str) -> bytes:
    try:
        return read_regular_file(path, MAX_DESCRIPTOR_BYTES)
    except FileNotFoundError:
        raise InputError(
            "there is no descriptor",
            where=path,
            hint="name an existing file with `-c FILE`",
        ) from None
    except OSError as error:
        raise InputError(f"the descriptor can't be read: {error.strerror}", where=path) from None
    except ValueError:
        raise InputError("the descriptor's path can't be a path", where=repr(path)) from None
