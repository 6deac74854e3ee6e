"""What a program under the lock sees of what is between it and Python."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from coral_lock.errors import OWN_FILES
from coral_lock.start.program import _without_own_imports

IMPORTS = "<frozen importlib._bootstrap>"


def _shown(*files: str) -> list[str]:
    """Return the files in the traceback of an error that went through functions in these."""

    def failing() -> None:
        raise RuntimeError

    call: Callable[[], None] = failing
    for file in reversed(files):
        names: dict[str, Callable[[], None]] = {"inner": call}
        exec(compile("def call():\n    inner()", file, "exec"), names)
        call = names["call"]
    with pytest.raises(RuntimeError) as caught:
        call()
    rest = _without_own_imports(caught.tb.tb_next)
    return [frame.filename for frame in traceback.extract_tb(rest)]


def test_a_traceback_is_without_our_hooks_of_imports_and_what_called_them() -> None:
    own = f"{OWN_FILES}imports/hooks.py"
    assert _shown("app.py", IMPORTS, own, IMPORTS, "host.py") == ["app.py", "host.py", __file__]


def test_a_traceback_without_us_stays_as_it_is() -> None:
    assert _shown("app.py", IMPORTS, "finder.py") == ["app.py", IMPORTS, "finder.py", __file__]
