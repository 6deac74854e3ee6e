"""What in a source file deserves a look."""

from __future__ import annotations

import pytest

from coral_lock.difference.capabilities import CAPABILITIES, Use, uses_in
from coral_lock.static.source import MAX_SOURCE, NotEvaluableError

CASES = {
    "import subprocess": ["programs subprocess"],
    "import subprocess as s; s.run([])": ["programs subprocess", "programs subprocess.run"],
    "from subprocess import run; run([])": ["programs subprocess.run"],
    "import subprocess\nx = subprocess.PIPE": ["programs subprocess"],
    "import os; os.system('x')": ["programs os.system"],
    "import os; f = os.execvpe": ["programs os.execvpe"],
    "import os; os.spawnlp(1)": ["programs os.spawnlp"],
    "from os import system as s; s('x')": ["programs os.system"],
    "from os import *": ["programs os.*"],
    "import os; getattr(os, 'system')": ["programs os.system"],
    "import os; getattr(os, 'sys' + 'tem')": ["dynamic-code getattr(os, …)"],
    "import os; vars(os)": ["dynamic-code vars(os, …)"],
    "import os.path; os.path.join('a')": [],
    "import urllib.request": ["network urllib.request"],
    "from urllib.parse import quote": [],
    "from http import HTTPStatus": [],
    "import http.client as h; h.HTTPConnection('x')": [
        "network http.client",
        "network http.client.HTTPConnection",
    ],
    "import requests": ["network requests"],
    "from . import requests": [],
    "import pickle as p; p.dumps(1); p.PicklingError; p.loads(b)": [
        "serialization pickle",
        "serialization pickle.loads",
    ],
    "import ctypes.util": ["native-code ctypes.util"],
    "import pickle": ["serialization pickle"],
    "eval('1')": ["dynamic-code eval"],
    "model.eval()": [],
    "import re; re.compile('x')": [],
    "import builtins; builtins.exec('1')": ["dynamic-code exec"],
    "import base64; exec(base64.b64decode(x))": ["hidden exec beside base64"],
    "from zlib import decompress as d; eval(d(x))": ["hidden eval beside zlib"],
    "__import__('os').system": ["imports __import__"],
    "import importlib; importlib.import_module('x')": [
        "imports importlib",
        "imports importlib.import_module",
    ],
    "from importlib.metadata import version": [],
    "import sys; sys.path.insert(0, 'x')": ["imports sys.path.insert"],
    "import sys as s; s.path[:0] = ['x']": ["imports sys.path ="],
    "import sys; sys.path += ['x']": ["imports sys.path ="],
    "import sys; (a, sys.modules['x']) = 1, 2": ["imports sys.modules ="],
    "import sys; del sys.modules['x']": ["imports sys.modules ="],
    "import sys; print(sys.path, sys.modules[__name__])": [],
    "import sys; sys.meta_path.append(x)": ["imports sys.meta_path"],
    "import builtins; builtins.open = x": ["imports builtins.open ="],
    "def f():\n    import socket\ndef g():\n    socket.create_connection(1)": [
        "network socket",
        "network socket.create_connection",
    ],
    "ｅval('1')": ["dynamic-code eval"],
    "x = 'a\u202eb'": ["hidden bidirectional text"],
}


@pytest.mark.parametrize(("source", "expected"), CASES.items())
def test_uses(source: str, expected: list[str]) -> None:
    found = uses_in(source.encode(), "x.py")
    assert [f"{use.capability} {use.name}" for use in found] == expected
    assert {use.capability for use in found} <= CAPABILITIES.keys()


def test_a_distribution_uses_itself() -> None:
    assert uses_in(b"import requests.sessions", "requests/api.py") == ()
    assert uses_in(b"import subprocess", "subprocess/api.py") != ()


def test_where_a_use_is() -> None:
    long = b"import os\r\n\r\n" + b"x = 1; " * 1000 + b"os.system('x')\n"
    (use,) = uses_in(long, "x.py")
    assert use == Use(
        capability="programs", name="os.system", path="x.py", line=3, text="os.system('x')"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"print 1", "the source doesn't parse: Missing parentheses in call to 'print'."),
        (b"# coding: utf-7\n", "the source's encoding is `utf-7`"),
        (b"a" + b".b" * 100_000, "the source is nested too deep"),
        (b"import a" + b".b" * 100_000, "the source is nested too deep"),
        (b"import a" + b".\\\nb" * 50_000, "the source is nested too deep"),
        (b" " * (MAX_SOURCE + 1), f"the source has more than {MAX_SOURCE >> 10} KiB"),
    ],
)
def test_what_cannot_be_read(source: bytes, reason: str) -> None:
    with pytest.raises(NotEvaluableError) as caught:
        uses_in(source, "x.py")
    assert caught.value.reason.startswith(reason)


def test_no_more_than_a_thousand() -> None:
    assert len(uses_in(b"eval\n" * 2000, "x.py")) == 1000
