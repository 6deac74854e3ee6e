"""Programs of other people: each ends and prints under the lock as it does without."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.device import Device, make_device
from tests.support.downloads import fetch_wheels
from tests.support.environments import install_with_uv

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="the programs fork, and use signals"),
]

HOUSED = ("gunicorn", "pytest", "uvicorn")
"""What the wheelhouse has anyway, with what it requires."""

REQUIRED = (
    *("annotated-types", "greenlet", "MarkupSafe", "opentelemetry-api", "opentelemetry-sdk"),
    *("opentelemetry-semantic-conventions", "pycparser", "pydantic-core", "typing-extensions"),
    *("typing-inspection", "wrapt", "zope.event", "zope.interface"),
)
"""What the others require."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A program, which is `program.py` unless other words run it, and what it needs."""

    needs: Sequence[str] = ()
    files: Mapping[str, str]
    words: Sequence[str] = ("python", "program.py")
    exit_code: int = 0


def program(text: str, *needs: str, exit_code: int = 0, **modules: str) -> Row:
    files = {"program.py": text, **{f"{name}.py": module for name, module in modules.items()}}
    return Row(needs=needs, files=files, exit_code=exit_code)


def pool(method: str) -> Row:
    return program(
        f"""
import multiprocessing

from markupsafe import escape

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(escape, ["<a>", "<b>"]), pool.apply(eval, ["sorted({{3, 1}})"]))
""",
        "Jinja2",
    )


PASSING = """
import numpy

def test_passes(tmp_path, capsys):
    assert numpy.arange(3).sum() == 3

def test_mark(monkeypatch):
    monkeypatch.setenv("A", "1")
"""
FAILING = """
def test_fails():
    left = [1, 2, 3]
    assert left == [1, 2, 4]
"""

ASGI = """
import os, sys
from uvicorn import run

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"worker %d" % os.getpid()})
"""
CLIENT = """
import http.client, os, signal, socket, threading, time

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

def ask(port, is_own):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            word, pid = connection.getresponse().read().decode().split()
            break
        except OSError:
            time.sleep(0.05)
    print(word, (int(pid) == os.getpid()) == is_own, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

def ask_later(port, is_own):
    threading.Thread(target=ask, args=(port, is_own), daemon=True).start()
"""
UVICORN = """
import asgi, client, uvicorn

if __name__ == "__main__":
    port = client.free_port()
    client.ask_later(port, is_own=WORKERS == 1)
    uvicorn.run("asgi:app", port=port, workers=WORKERS, log_level="error")
"""


def uvicorn(workers: int) -> Row:
    text = UVICORN.replace("WORKERS", str(workers))
    # With one worker it ends by the signal that it got.
    return program(text, "uvicorn", exit_code=0 if workers > 1 else -15, asgi=ASGI, client=CLIENT)


def gunicorn(*options: str) -> Row:
    settings = (
        "import client\n"
        "port = client.free_port()\n"
        "bind, workers, loglevel = f'127.0.0.1:{port}', 2, 'error'\n"
        "def when_ready(server):\n    client.ask_later(port, is_own=False)\n"
    )
    wsgi = (
        "import os\n"
        "def app(environ, start):\n"
        "    start('200 OK', [])\n    return [b'worker %d' % os.getpid()]\n"
    )
    return Row(
        needs=("gunicorn", "gevent"),
        files={"gunicorn.conf.py": settings, "wsgi.py": wsgi, "client.py": CLIENT},
        words=("gunicorn", *options, "wsgi:app"),
    )


ROWS = {
    "pytest": Row(
        needs=("pytest", "numpy"),
        files={"test_it.py": PASSING, "test_more.py": FAILING},
        words=("pytest", "-v", "-p", "no:cacheprovider"),
        exit_code=1,
    ),
    "pytest with warnings as errors": Row(
        needs=("pytest",),
        files={"test_it.py": PASSING, "pytest.ini": "[pytest]\nfilterwarnings = error\n"},
        words=("python", "-m", "pytest", "-p", "no:cacheprovider"),
    ),
    "auto-instrumentation": Row(
        needs=("opentelemetry-instrumentation", "opentelemetry-instrumentation-logging"),
        files={
            "program.py": "import logging, sys\n"
            "name = 'opentelemetry.instrumentation.auto_instrumentation'\n"
            "print(logging.getLogRecordFactory().__module__)\n"
            "sys.exit(name not in sys.modules)\n"
        },
        words=("opentelemetry-instrument", "python", "program.py"),
    ),
    "auto-instrumentation of a child": program(
        "import os, subprocess, sys\n"
        "from opentelemetry.instrumentation import auto_instrumentation\n"
        "os.environ['PYTHONPATH'] = os.path.dirname(auto_instrumentation.__file__)\n"
        "ask = 'import logging; print(logging.getLogRecordFactory().__module__)'\n"
        "sys.exit(subprocess.run([sys.executable, '-c', ask]).returncode)\n",
        "opentelemetry-instrumentation-logging",
    ),
    "a pool that forks": pool("fork"),
    "a pool that spawns": pool("spawn"),
    "a pool by a server of forks": pool("forkserver"),
    "concurrent.futures": program(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from lxml.etree import tostring\n"
        "from task import parsed\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(2) as pool:\n"
        "        print(list(pool.map(parsed, ['<a/>', '<b><c/></b>'])))\n",
        "lxml",
        task="from lxml import etree\ndef parsed(text):\n    return len(etree.fromstring(text))\n",
    ),
    "joblib's loky": program(
        "import joblib, numpy\n"
        "if __name__ == '__main__':\n"
        "    work = (joblib.delayed(numpy.square)(i) for i in range(4))\n"
        "    print(joblib.Parallel(n_jobs=2)(work))\n",
        "joblib",
        "numpy",
    ),
    "uvicorn in process": uvicorn(1),
    "uvicorn with workers": uvicorn(2),
    "gunicorn with workers": gunicorn(),
    "gunicorn preloaded, with gevent": gunicorn("--preload", "-k", "gevent"),
    "a resource that is a file": program(
        "import importlib.resources, mmap, subprocess, sys\n"
        "place = importlib.resources.files('coverage') / 'htmlfiles' / 'style.css'\n"
        "with place.open('rb') as file:\n"
        "    print(file.name.rpartition('/')[2])\n"
        "    print(len(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))\n"
        "    count = 'import sys; print(len(sys.stdin.read()))'\n"
        "    sys.exit(subprocess.run([sys.executable, '-c', count], stdin=file).returncode)\n",
        "coverage",
    ),
    "pydantic": program(
        "import pydantic\n"
        "class Point(pydantic.BaseModel):\n    x: int\n"
        "print(Point(x='3').model_dump_json())\n"
        "Point(x='three')\n",
        "pydantic",
        exit_code=1,
    ),
    "SQLAlchemy": program(
        "from sqlalchemy import create_engine, text\n"
        "with create_engine('sqlite://').connect() as connection:\n"
        "    print(connection.execute(text('select 1 + 1')).scalar())\n",
        "SQLAlchemy",
    ),
    "templates of a package": Row(
        needs=("Jinja2",),
        files={
            "program.py": "from jinja2 import Environment, PackageLoader\n"
            "environment = Environment(loader=PackageLoader('coverage', 'htmlfiles'))\n"
            "print(environment.list_templates()[:3])\n"
            "print(len(environment.loader.get_source(environment, 'style.css')[0]))\n",
        },
    ),
    "cryptography": program(
        "from cryptography.fernet import Fernet\n"
        "key = Fernet(Fernet.generate_key())\nprint(key.decrypt(key.encrypt(b'text')))\n",
        "cryptography",
    ),
    "cffi": program(
        "import cffi\nffi = cffi.FFI()\nffi.cdef('int abs(int);')\n"
        "print(ffi.dlopen(None).abs(-3))\n",
        "cffi",
    ),
    "Pillow": program(
        "import io\nfrom PIL import Image, features\n"
        "file = io.BytesIO()\nImage.new('RGB', (4, 3), 'red').save(file, 'PNG')\n"
        "print(Image.open(file).getpixel((1, 1)), features.check('jpg'))\n",
        "Pillow",
    ),
    "pickles by value": program(
        "import cloudpickle, dill, pickle\n"
        "def make(step):\n    return lambda value: value + step\n"
        "print(pickle.loads(cloudpickle.dumps(make(2)))(1), dill.loads(dill.dumps(make(3)))(1))\n",
        "cloudpickle",
        "dill",
    ),
    "coverage of subprocesses": Row(
        needs=("coverage",),
        files={
            ".coveragerc": "[run]\npatch = subprocess\nparallel = true\n",
            "other.py": "print('other')\n",
            "program.py": "import subprocess, sys, coverage, glob\n"
            "if len(sys.argv) > 1:\n"
            "    subprocess.run([sys.executable, 'other.py'], check=True)\n"
            "    print(len(glob.glob('.coverage.*')))\n",
        },
        words=("coverage", "run", "program.py", "again"),
    ),
    "typeguard's hook": program(
        "from typeguard import install_import_hook\ninstall_import_hook('checked')\n"
        "import checked\nprint(checked.double(2))\nchecked.double('2')\n",
        "typeguard",
        exit_code=1,
        checked="def double(value: int) -> int:\n    return value * 2\n",
    ),
    "beartype's hook on the program's own module": program(
        "from beartype.claw import beartype_package\nbeartype_package('checked')\n"
        "import checked\nprint(checked.double(2))\nchecked.double('2')\n",
        "beartype",
        exit_code=1,
        checked="def double(value: int) -> int:\n    return value * 2\n",
    ),
    "gevent's patches with subprocesses": program(
        "from gevent import monkey\nmonkey.patch_all()\n"
        "import gevent, subprocess, sys\n"
        "def run(i):\n"
        "    words = [sys.executable, '-c', f'print({i})']\n"
        "    return subprocess.run(words, stdout=-1, text=True).stdout\n"
        "print([each.value for each in gevent.joinall([gevent.spawn(run, i) for i in (1, 2)])])\n",
        "gevent",
    ),
    "setproctitle": program(
        "import setproctitle\nsetproctitle.setproctitle('renamed')\n"
        "print(setproctitle.getproctitle())\n",
        "setproctitle",
    ),
    "shared memory": program(
        "from multiprocessing import Process, shared_memory\n"
        "import numpy\n"
        "def fill(name):\n"
        "    memory = shared_memory.SharedMemory(name)\n"
        "    numpy.ndarray(4, dtype='u1', buffer=memory.buf)[:] = 7\n"
        "    memory.close()\n"
        "if __name__ == '__main__':\n"
        "    memory = shared_memory.SharedMemory(create=True, size=4)\n"
        "    process = Process(target=fill, args=(memory.name,))\n"
        "    process.start(), process.join()\n"
        "    print(bytes(memory.buf[:4]), process.exitcode)\n"
        "    memory.close(), memory.unlink()\n",
        "numpy",
    ),
    "asyncio's subprocesses": program(
        "import asyncio, sys\n"
        "async def main():\n"
        "    words = (sys.executable, '-c', 'import lxml.etree; print(1)')\n"
        "    process = await asyncio.create_subprocess_exec(*words, stdout=-1)\n"
        "    print(await process.communicate(), process.returncode)\n"
        "asyncio.run(main())\n",
        "lxml",
    ),
    "a program that starts itself again": program(
        "import os, sys\n"
        "if len(sys.argv) == 1:\n"
        "    sys.stdout.flush()\n"
        "    os.execv(sys.executable, [sys.executable, *sys.argv, 'again'])\n"
        "import lxml.etree\nprint(sys.argv)\nsys.exit(7)\n",
        "lxml",
        exit_code=7,
    ),
    "a package of tests that is called `test`": Row(
        files={
            "program.py": "from test import own\nprint(own.NAME)\n",
            "test/__init__.py": "",
            "test/own.py": "NAME = 'own'\n",
        },
    ),
    "an end by a signal": program(
        "import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), signal.SIGTERM)\n",
        exit_code=-15,
    ),
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    """A machine on which everything that the programs need is locked."""
    needed = {name for row in ROWS.values() for name in row.needs} - set(HOUSED)
    directory = wheelhouse.parent / "program-wheels"
    wheels = fetch_wheels((*sorted(needed), *REQUIRED), directory)
    made = make_device(tmp_path_factory.mktemp("programs") / "device", wheelhouse, *HOUSED)
    install_with_uv(made.environment, *wheels, wheelhouse=directory, no_deps=True)
    requires = ", ".join(sorted({*needed, *HOUSED}))
    made.write("runtime.yaml", f"program: {{requires: [{requires}]}}\n")
    made.locked("-c", "runtime.yaml")
    return made


_DIFFERENT = re.compile(r"in [0-9.]+s =+|(?<=\n)rootdir: .*")


@pytest.mark.parametrize("name", ROWS)
def test_a_program_does_the_same_under_the_lock(machine: Device, name: str) -> None:
    row = ROWS[name]
    config = machine.directory / "runtime.yaml"
    path = os.pathsep.join((str(machine.environment.bin), os.environ["PATH"]))
    options = ("--locked", f"--lock={machine.lock_path}", f"--config={config}")
    said = []
    for prefix in ((), ("coral-runtime", "run", *options, "--")):
        directory = machine.directory / f"{list(ROWS).index(name)}-{len(prefix)}"
        for file, text in row.files.items():
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text(text)
        done = machine.run(*prefix, *row.words, cwd=directory, env={"PATH": path})
        assert "warning[" not in done.stderr
        assert done.code == row.exit_code, done.stdout + done.stderr
        said.append(_DIFFERENT.sub("", done.stdout))
    assert said[0]
    assert said[1] == said[0]
