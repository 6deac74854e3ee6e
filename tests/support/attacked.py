"""A locked machine to attack: a plugin, what it requires, and a program that uses all of it."""

from __future__ import annotations

import io
import json
import os
import py_compile
import shutil
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.device import Device, make_device
from tests.support.elf import RUNPATH, elf
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel

EXTENSION = str(sysconfig.get_config_var("EXT_SUFFIX"))
EVIL = "import sys\nprint('EVIL', file=sys.stderr)\nNAME = 'evil'\n"
LIBRARIES = tuple(sorted((Path(os.__file__).parent / "lib-dynload").glob("_statistics*.so")))
"""An extension module of this interpreter that needs nothing else; some are built without."""

_PLUGIN = """\
from coral_inference.runtime.plugins import PluginSpec
import victim.helper

try:
    from victim import _speedups
except ImportError:
    pass

def register():
    return PluginSpec(name="victim", activate=lambda config: victim.helper.NAME == "helper")
"""

_RELOADER = """\
import importlib, os, sys
saved = list(sys.path)
sys.path.insert(0, os.path.dirname(__file__))
own = sys.modules.pop(__name__)
native = importlib.import_module(__name__)
sys.modules[__name__] = own
sys.path[:] = saved
NAME = native.NAME
"""

PROGRAM = """\
import importlib, json, os, pkgutil, sys

site = os.path.dirname(os.path.dirname(importlib.import_module("victim").__file__))

def name_of(module):
    return lambda: importlib.import_module(module).NAME

def early():
    import multiprocessing, subprocess
    from importlib.metadata import distributions
    return len(list(distributions())) > 0

def resource():
    import importlib.resources
    return (importlib.resources.files("dep") / "data" / "info.txt").read_text()

def native():
    import natpack._statistics
    return hasattr(natpack._statistics, "_normal_dist_inv_cdf")

def library():
    import ctypes
    ctypes.CDLL(os.path.join(site, "natpack.libs", "libhelper.so"))
    return True

def planted_library():
    import ctypes
    try:
        ctypes.CDLL(os.path.join(site, "natpack.libs", "libnew.so"))
    except OSError:
        return "absent"

def by_file(load, path):
    def probe():
        try:
            return load(os.path.join(site, path))
        except FileNotFoundError:
            return "absent"
    return probe

def text(path):
    with open(path) as file:
        return file.read()

def by_runpy(path):
    import runpy
    return runpy.run_path(path)["NAME"]

def by_spec(path):
    import importlib.util
    spec = importlib.util.spec_from_file_location("loaded", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NAME

def by_loader(path):
    from importlib.machinery import SourceFileLoader
    return SourceFileLoader("loaded", path).load_module().NAME

def metadata():
    from importlib.metadata import distribution
    return (distribution("dep").read_text("METADATA").splitlines()[1],
            len(distribution("dep").entry_points))

def assets():
    importlib.import_module("assets")
    return True

PROBES = {
    "core": name_of("dep.core"),
    "single": name_of("depmod"),
    "namespace": name_of("nsp.one"),
    "inner": name_of("nsp.inner.two"),
    "secret": name_of("secret"),
    "reloader": name_of("cvlike"),
    "twin": name_of("twin.shared"),
    "standard": lambda: importlib.import_module("colorsys").ONE_THIRD < 1,
    "early": early,
    "resource": resource,
    "data": lambda: pkgutil.get_data("dep", "data/info.txt").decode(),
    "late": name_of("dep.late"),
    "optional": name_of("dep._speedups"),
    "nested": name_of("dep._speedups.inner"),
    "free": name_of("free"),
    "digits": name_of("3dutils"),
    "hyphen": name_of("my-mod"),
    "folder": name_of("4pkg"),
    "added": name_of("pthmod"),
    "extended": name_of("extpkg.extra"),
    "vendored": name_of("vendored"),
    "zipped": name_of("zipmod"),
    "assets": assets,
    "asset": by_file(text, "assets/info.txt"),
    "read": by_file(text, "dep/data/info.txt"),
    "runpy": by_file(by_runpy, "dep/core.py"),
    "spec": by_file(by_spec, "dep/core.py"),
    "loader": by_file(by_loader, "dep/core.py"),
    "stray": by_file(by_spec, "dep/_speedups.py"),
    "metadata": metadata,
}
NEW = ("digits", "hyphen", "folder", "added", "extended", "vendored", "zipped", "assets", "asset",
       "read", "runpy", "spec", "loader", "stray", "metadata")
importlib.import_module("vend")
importlib.import_module("zipped")
if os.path.isdir(os.path.join(site, "natpack")):
    PROBES.update(native=native, library=library, planted=planted_library)
SLOW = ("early", "resource", "library", "planted", *NEW)

outcome = {}
for name in sys.argv[1:] or [name for name in PROBES if name not in SLOW]:
    try:
        outcome[name] = PROBES[name]()
    except ModuleNotFoundError:
        outcome[name] = "absent"
    except Exception as error:
        outcome[name] = repr(error)
print(json.dumps(outcome))
"""

EXPECTED: Mapping[str, Any] = {
    "core": "core",
    "single": "single",
    "namespace": "one",
    "inner": "two",
    "secret": "secret",
    "reloader": "native",
    "standard": True,
    "early": True,
    "resource": "locked info",
    "data": "locked info",
    "late": "late",
    "optional": "absent",
    "nested": "absent",
    "free": "absent",
    "cached": "absent",
    "native": True,
    "library": True,
    "planted": "absent",
    "digits": "3dutils",
    "hyphen": "my-mod",
    "folder": "4pkg",
    "added": "pthmod",
    "extended": "absent",
    "vendored": "vendored",
    "zipped": "zipmod",
    "assets": True,
    "asset": "locked asset",
    "read": "locked info",
    "runpy": "core",
    "spec": "core",
    "loader": "core",
    "stray": "absent",
    "metadata": ["Name: dep", 0],
}
"""What the program finds on a machine that nobody attacked; of the twins either one."""


SLOW = (
    *("early", "resource", "digits", "hyphen", "folder", "added", "extended", "vendored"),
    *("zipped", "assets", "asset", "read", "runpy", "spec", "loader", "stray", "metadata"),
    *(("library", "planted") if LIBRARIES else ()),
)
"""Probes that import much of the standard library: made only where they are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attacked:
    """The locked machine, for one attack."""

    device: Device

    @property
    def site(self) -> Path:
        return self.device.site_packages

    @property
    def program(self) -> Path:
        return self.device.directory / "program.py"

    def write(self, path: str | Path, content: str | bytes = EVIL) -> Path:
        """Write a file, by default hostile code; a relative path is below the site directory."""
        place = self.site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def elsewhere(self, *paths: str) -> Path:
        """Write hostile files into a directory outside of the environment."""
        directory = self.device.directory.parent / "elsewhere"
        for path in paths:
            self.write(directory / path)
        return directory

    def run(
        self, level: str, *probes: str, env: Mapping[str, str] | None = None, words: Any = ()
    ) -> str:
        """Run the program under the lock.

        Returns:
            `refused` where the start or an import was; `evil` where hostile code ran, or the
            program found something that isn't the locked thing; else `harmless`.
        """
        options = ("--state-dir", str(self.device.state / "coral"), "--integrity", level, *words)
        outcome = self.device.run(
            *("python", "-P", "-m", "coral_lock", "run", "--locked", *options),
            *("--", "python", self.program.name, *probes),
            env=env,
        )
        is_evil = "EVIL" in outcome.stdout + outcome.stderr
        if outcome.code:
            assert outcome.code in (77, 78), outcome.stdout + outcome.stderr
            return "evil" if is_evil else "refused"
        found = json.loads(outcome.stdout.splitlines()[-1])
        found = {name: each for name, each in found.items() if name != "twin"}
        is_right = found == {name: EXPECTED[name] for name in found}
        return "harmless" if is_right and not is_evil else "evil"


def make_attackable(directory: Path, wheelhouse: Path) -> Device:
    """Make the machine for all attacks: locked, and started once."""
    device = make_device(directory, wheelhouse)
    wheels = directory / "wheels"
    wheels.mkdir()
    source = wheels / "secret.py"
    source.write_text("NAME = 'secret'\n")
    py_compile.compile(str(source), str(wheels / "secret.pyc"), doraise=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipmod.py", "NAME = 'zipmod'\n")
    append = "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), {!r}))\n"
    requires = ["dep", "space", "cvlike", "secret", "twin-a", "twin-b", "odd"]
    made = [
        make_wheel(
            wheels,
            "dep",
            {
                "dep/__init__.py": "",
                "dep/core.py": "NAME = 'core'\n",
                "dep/late.py": "NAME = 'late'\n",
                "dep/data/info.txt": "locked info",
                "depmod.py": "NAME = 'single'\n",
            },
        ),
        make_wheel(
            wheels, "space", {"nsp/one.py": "NAME = 'one'\n", "nsp/inner/two.py": "NAME = 'two'\n"}
        ),
        make_wheel(
            wheels,
            "cvlike",
            {"cvlike/__init__.py": _RELOADER, "cvlike/cvlike.py": "NAME = 'native'"},
        ),
        make_wheel(wheels, "secret", {"secret.pyc": (wheels / "secret.pyc").read_bytes()}),
        make_wheel(wheels, "twin-a", {"twin/__init__.py": "", "twin/shared.py": "NAME = 'a'\n"}),
        make_wheel(wheels, "twin-b", {"twin/__init__.py": "", "twin/shared.py": "NAME = 'b'\n"}),
    ]
    odd: dict[str, str | bytes] = {
        "3dutils.py": "NAME = '3dutils'\n",
        "my-mod.py": "NAME = 'my-mod'\n",
        "4pkg/__init__.py": "NAME = '4pkg'\n",
        "odd_added.pth": "odd_added\n",
        "odd_added/pthmod.py": "NAME = 'pthmod'\n",
        "extpkg/__init__.py": "import pkgutil\n"
        "__path__ = pkgutil.extend_path(__path__, __name__)\n",
        "vend/__init__.py": append.format("_vendor"),
        "vend/_vendor/vendored.py": "NAME = 'vendored'\n",
        "zipped/__init__.py": append.format("lib.zip"),
        "zipped/lib.zip": archive.getvalue(),
        "assets/info.txt": "locked asset",
    }
    made.append(make_wheel(wheels, "odd", odd))
    if LIBRARIES:
        content = LIBRARIES[0].read_bytes()
        files: dict[str, str | bytes] = {
            "natpack/__init__.py": "",
            f"natpack/_statistics{EXTENSION}": content,
            "natpack.libs/libhelper.so": content + b"\0",
            "natpack.libs/libother.so.1": content + b"\0\0",
            "natpack.libs/libstates.so": elf((RUNPATH, "$ORIGIN/../earlier.libs:$ORIGIN")),
        }
        made.append(make_wheel(wheels, "natpack", files))
        requires.append("natpack")
    made.append(
        make_wheel(
            wheels,
            "victim",
            {
                "victim/__init__.py": "",
                "victim/plug.py": _PLUGIN,
                "victim/helper.py": "NAME = 'helper'\n",
            },
            entry_point="victim.plug:register",
            metadata_lines="".join(f"Requires-Dist: {name}\n" for name in requires),
        )
    )
    install_with_uv(device.environment, *made, wheelhouse=wheels)
    device.write("program.py", PROGRAM)
    device.locked()
    return device


def attacked(device: Device, directory: Path) -> Attacked:
    """Return the machine with a new state, and what is in its working directory in another."""
    shutil.copytree(device.directory, directory / "work")
    return Attacked(
        device=Device(
            environment=device.environment,
            directory=directory / "work",
            wheelhouse=device.wheelhouse,
            state=directory / "state",
        )
    )
