"""The program that `probe` runs in a fresh interpreter; it isn't imported by anything.

Its arguments are the descriptor to answer on and the request as JSON. It imports the entry
point and answers with the specs or with the reason why there are none, in one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType, TracebackType
    from typing import Any

_MAX_MESSAGE = 300
_MAX_REASON = 600


def main() -> None:
    """Answer the request of the command line, then end without running exit handlers."""
    descriptor = int(sys.argv[1])
    request = json.loads(sys.argv[2])
    os.set_inheritable(descriptor, False)
    sys.argv[1:] = []
    answer = _answer(request)
    content = json.dumps(answer).encode("ascii")
    while content:
        content = content[os.write(descriptor, content) :]
    os._exit(0)


def _answer(request: Mapping[str, Any]) -> dict[str, object]:
    # The directory of this program isn't one to import from.
    own = os.path.dirname(os.path.abspath(__file__))
    standard_library = [entry for entry in sys.path if os.path.abspath(entry) != own]
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from coral_lock.plugin.facts import FactsError
    from coral_lock.plugin.spec import SpecError

    specs = _Specs(request)
    try:
        specs.prepare([entry for entry in standard_library if entry not in request["path"]])
        return {"specs": specs.learn()}
    except (FactsError, SpecError) as error:
        return {"error": _one_line(str(error), _MAX_REASON)}
    except BaseException as error:
        return {"error": _one_line(specs.account_of(error), _MAX_REASON)}


class _Specs:
    """Imports an entry point and learns its specs, and knows at which step it stands."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._module: str = request["module"]
        self._attribute: str = request["attribute"]
        self._name: str = request["name"]
        self._path: list[str] = request["path"]
        self._step = "starting the interpreter"

    def prepare(self, standard_library: list[str]) -> None:
        """Let `site` do what it does at every start, then lay the path and the shim.

        An entry that `site` adds and that isn't there belongs to the path hook of an
        editable install, so it stays.
        """
        import site

        from coral_lock.plugin.shim import install_shim

        before = list(sys.path)
        site.main()
        hooked = [each for each in sys.path if each not in before and not os.path.exists(each)]
        sys.path[:] = [*standard_library, *self._path, *hooked]
        install_shim()

    def learn(self) -> list[dict[str, object]]:
        """Return the fields of each spec."""
        import importlib

        from coral_lock.plugin.facts import facts_of_spec
        from coral_lock.plugin.spec import live_specs

        self._step = f"importing `{self._module}`"
        target: object = importlib.import_module(self._module)
        for name in self._attribute.split("."):
            self._step = f"looking up `{self._attribute}` in `{self._module}`"
            target = getattr(target, name)
        self._step = f"asking `{self._attribute}` for its specs"
        facts = [facts_of_spec(spec) for spec in live_specs(target, self._name)]
        return [{field: getattr(fact, field) for field in fact._fields} for fact in facts]

    def account_of(self, error: BaseException) -> str:
        """Return what went wrong, with the last line of the plugin that had a part in it."""
        if isinstance(error, SystemExit):
            what = f"called `sys.exit({_text_of(error.code)})`"
        else:
            message = _one_line(_text_of(error), _MAX_MESSAGE)
            kind = type(error).__name__
            what = f"raised {kind}: {message}" if message else f"raised {kind}"
        place = self._place_of(error)
        return f"{self._step} {what}" + (f" ({place})" if place else "")

    def _place_of(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self._shortened(error.filename)}:{error.lineno or 0}"
        place = ""
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            if self._is_of_plugin(trace.tb_frame):
                place = f"{self._shortened(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
            trace = trace.tb_next
        return place

    def _is_of_plugin(self, frame: FrameType) -> bool:
        package = self._module.partition(".")[0]
        module = frame.f_globals.get("__name__")
        return isinstance(module, str) and module.partition(".")[0] == package

    def _shortened(self, file: str) -> str:
        for entry in self._path:
            if entry and file.startswith(entry + os.sep):
                return file[len(entry) + 1 :].replace(os.sep, "/")
        return file


def _text_of(value: object) -> str:
    try:
        return str(value)
    except BaseException:
        return ""


def _one_line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


if __name__ == "__main__":
    main()
