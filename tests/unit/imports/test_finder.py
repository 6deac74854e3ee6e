"""What imports find under a lock, and what they don't."""

from __future__ import annotations

import os
import py_compile
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.interpreters import usable_interpreters
from tests.support.locked_site import LockedSite

EXTENSION = sysconfig.get_config_var("EXT_SUFFIX")
EVIL = "print('evil')"


@pytest.fixture
def site(tmp_path: Path) -> LockedSite:
    made = LockedSite(directory=tmp_path)
    made.lock(
        "pack",
        {
            "pack/__init__.py": "NAME = 'pack'",
            "pack/child.py": "NAME = 'child'",
            "pack/deep/__init__.py": "",
            "pack/deep/leaf.py": "def f():\n    return 'leaf'",
            "pack/data/table.txt": "locked data",
            "single.py": "NAME = 'single'",
        },
    )
    made.lock("space-a", {"space/a.py": "NAME = 'a'", "space/inner/b.py": "NAME = 'b'"})
    return made


def other(site: LockedSite, name: str, files: dict[str, str]) -> Path:
    """A directory elsewhere that holds files."""
    directory = site.directory / name
    for path, content in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return directory


def test_listed_modules_come_from_their_files(site: LockedSite) -> None:
    printed = site.run(
        "import pack.child, pack.deep.leaf, single, space.a, space.inner.b\n"
        "for module in (pack, pack.child, pack.deep, single, space.a, space.inner.b):\n"
        "    print(os.path.relpath(module.__file__, site), module.__package__,\n"
        "        os.path.basename(module.__cached__).partition('.')[0])\n"
        "print(space.__file__, list(space.__path__) == [site + '/space'])\n"
        "print(pack.__path__ == [site + '/pack'])"
    )
    assert printed.splitlines() == [
        "pack/__init__.py pack __init__",
        "pack/child.py pack child",
        "pack/deep/__init__.py pack.deep __init__",
        "single.py  single",
        "space/a.py space a",
        "space/inner/b.py space.inner b",
        "None True",
        "True",
    ]


STRAYS = {
    "a source in a package": ("pack/stray.py", "pack.stray"),
    "an extension module in a package": (f"pack/stray{EXTENSION}", "pack.stray"),
    "a package in a package": ("pack/stray/__init__.py", "pack.stray"),
    "a namespace in a package": ("pack/stray/module.py", "pack.stray"),
    "a module in a package's data": ("pack/data/stray.py", "pack.data.stray"),
    "an old bytecode in a package": ("pack/stray.pyc", "pack.stray"),
    "a portion of a module": ("single/stray.py", "single.stray"),
}


@pytest.mark.parametrize("name", STRAYS)
def test_stray_files_in_locked_packages_are_not_there(name: str, site: LockedSite) -> None:
    path, module = STRAYS[name]
    site.write(path, EVIL)
    printed = site.run(
        f"try:\n    import {module}\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    assert printed.startswith(f"No module named '{module}'")


SHADOWS = {
    "a package before a module": ("single/__init__.py", "single"),
    "an extension before a module": (f"single{EXTENSION}", "single"),
    "an extension before a package's child": (f"pack/child{EXTENSION}", "pack.child"),
    "a package before a child": ("pack/child/__init__.py", "pack.child"),
    "a module before a namespace": ("space.py", "space.a"),
    "an `__init__` in a namespace": ("space/__init__.py", "space.a"),
    "a package before a namespace's child": ("space/a/__init__.py", "space.a"),
    "an extension for an `__init__`": (f"pack/__init__{EXTENSION}", "pack"),
}


@pytest.mark.parametrize("name", SHADOWS)
def test_files_beside_locked_ones_do_not_shadow_them(name: str, site: LockedSite) -> None:
    path, module = SHADOWS[name]
    site.write(path, EVIL)
    assert site.run(f"import {module} as m; print(m.NAME)") == module.rpartition(".")[2]


@pytest.mark.parametrize("module", ["pack", "single", "space.a", "space.inner.b"])
@pytest.mark.parametrize("form", ["{}/__init__.py", "{}.py"])
def test_nothing_on_the_path_goes_before_the_lock(module: str, form: str, site: LockedSite) -> None:
    top = module.partition(".")[0]
    before = other(site, "before", {form.format(top): EVIL})
    printed = site.run(
        f"import {module} as m; print(os.path.relpath(m.__file__, site))", before=[before]
    )
    assert printed.startswith(top)
    printed = site.run(
        f"os.chdir({str(before)!r}); import {module} as m; print(m.__file__.startswith(site))",
        before=[Path(".")],
    )
    assert printed == "True"


def test_the_standard_library_comes_from_its_directories(site: LockedSite) -> None:
    names = ["colorsys", "_winapi", "msvcrt", "json", "this_is_other"]
    before = other(site, "before", {f"{name}.py": EVIL for name in names[:3]})
    other(site, "before", {"json/__init__.py": EVIL, "this_is_other.py": "print('other')"})
    for name in names[:3]:
        site.write(f"{name}.py", EVIL)
    printed = site.run(
        "import subprocess, asyncio, colorsys, json.decoder, this_is_other\n"
        "print(os.path.dirname(colorsys.__file__) == os.path.dirname(os.__file__))\n"
        "for name in ('_winapi', 'msvcrt'):\n"
        "    try:\n        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n        print(error)\n"
        "print(supplied)",
        before=[before],
    )
    assert printed.splitlines() == [
        "other",
        "True",
        "No module named '_winapi'",
        "No module named 'msvcrt'",
        "[]",
    ]


def test_what_else_is_in_the_library_s_directory_goes_before_nothing(site: LockedSite) -> None:
    """`test` isn't a name of the standard library either, and there in most places."""
    before = other(site, "before", {f"{name}.py": "" for name in ("sitecustomize", "test")})
    site.lock("shipping", {"test.py": "", "hooks/sitecustomize.py": ""})
    site.write("other/sitecustomize.py")
    program = (
        "for name in ('sitecustomize', 'test'):\n"
        "    sys.modules.pop(name, None)\n"
        "    print(os.path.relpath(__import__(name).__file__, os.path.dirname(site)))"
    )
    assert site.run(program, before=[before]).splitlines() == [
        "before/sitecustomize.py",
        "site/test.py",
    ]
    hooks = [site.root / "hooks", before]
    assert "site/hooks/sitecustomize.py" in site.run(program, before=hooks)


def test_unlocked_names_are_found_as_ever(site: LockedSite) -> None:
    site.write("free.py", "NAME = 'free'")
    site.write("free_package/__init__.py", "")
    site.write("free_package/part.py", "NAME = 'part'")
    site.write("space/c.py", "NAME = 'c'")
    elsewhere = other(site, "behind", {"space/d.py": "NAME = 'd'", "space/a.py": EVIL})
    printed = site.run(
        "import free, free_package.part; print(supplied)\n"
        "import space.a, space.c, space.d\n"
        "print(space.a.NAME, space.c.NAME, space.d.NAME, len(space.__path__))\n"
        "sys.path.append('/nowhere'); print(len(space.__path__))",
        behind=[elsewhere],
    )
    assert printed.splitlines() == ["[]", "a c d 2", "2"]


def test_a_closed_start_hides_what_nobody_locked(site: LockedSite) -> None:
    site.write("free.py", EVIL)
    site.write("space/c.py", EVIL)
    site.write("known.py", "print('known')")
    before = other(site, "program", {"own.py": "print('own')"})
    behind = other(site, "behind", {"far.py": EVIL, "space/d.py": EVIL})
    printed = site.run(
        "import own, known, pack\n"
        "for name in ('free', 'far', 'space.c', 'space.d'):\n"
        "    try:\n        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n        print(error)\n"
        "import coral_lock.names",
        before=[before],
        behind=[behind],
        closed=True,
        unlisted=["known"],
    )
    assert printed.splitlines() == [
        "own",
        "known",
        *(f"No module named '{name}'" for name in ("free", "far", "space.c", "space.d")),
    ]


def test_a_forged_bytecode_is_not_read(site: LockedSite) -> None:
    source = site.root / "pack/child.py"
    status = source.stat()
    original = source.read_bytes()
    source.write_bytes(b"NAME = 'evil!'"[: len(original)].ljust(len(original)))
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    forged = py_compile.compile(str(source), doraise=True)
    source.write_bytes(original)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    printed = site.run("import pack.child; print(pack.child.NAME, pack.child.__cached__)")
    assert printed == f"child {forged}"


def test_bytecode_without_source_runs_where_it_is_listed(site: LockedSite, tmp_path: Path) -> None:
    source = tmp_path / "secret.py"
    source.write_text("NAME = 'secret'")
    compiled = tmp_path / "out.pyc"
    py_compile.compile(str(source), str(compiled), doraise=True)
    site.lock("secret", {"secret.pyc": compiled.read_bytes()})
    site.write("secret.py", EVIL)
    assert site.run("import secret; print(secret.NAME)") == "secret"
    site.write("secret.pyc", compiled.read_bytes().replace(b"secret", b"tecret"))
    printed = site.run(
        "try:\n    import secret\nexcept ImportError as error:\n    print(type(error).__name__)"
    )
    assert printed == "ChangedFileError"


CHANGES = {
    "changed": (b"NAME = 'evil'", "digest-mismatch"),
    "absent": (None, "file-missing"),
    "empty": (b"", "digest-mismatch"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_is_not_the_locked_one_is_not_run(name: str, site: LockedSite) -> None:
    content, code = CHANGES[name]
    site.run("import pack.child")
    place = site.root / "pack/child.py"
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    printed = site.run(
        "for _ in range(2):\n"
        "    try:\n        import pack.child\n"
        "    except ImportError as error:\n"
        "        print(type(error).__name__, error.finding.code, error.finding.subject)\n"
        "print(len(findings), findings == imports.findings, findings[0].where)"
    )
    assert printed.splitlines() == [
        f"ChangedFileError {code} pack",
        f"ChangedFileError {code} pack",
        f"1 True {place}",
    ]


def test_equal_sources_share_their_bytecode_and_keep_their_names(site: LockedSite) -> None:
    source = "def f():\n    raise ValueError"
    site.lock("twins", {"one.py": source, "two.py": source})
    program = (
        "import one, two\nprint(*(os.path.basename(m.f.__code__.co_filename) for m in (one, two)))"
    )
    assert site.run(program) == "one.py two.py"
    assert site.run(program) == "one.py two.py"
    assert len(list((site.state / "bytecode").iterdir())) == 1


def test_bytecode_that_nobody_has_used_for_months_is_removed(site: LockedSite) -> None:
    cache = site.state / "bytecode"
    assert site.run("import single; print(single.NAME)") == "single"
    (old,) = cache.iterdir()
    os.utime(old, (0, 0))
    site.run("import pack")
    assert old not in cache.iterdir()
    assert list(cache.iterdir())


def test_damaged_bytecode_is_compiled_again(site: LockedSite) -> None:
    program = "import single; print(single.NAME)"
    assert site.run(program) == "single"
    (kept,) = (site.state / "bytecode").iterdir()
    content = kept.read_bytes()
    for damaged in (b"", content[:50], content[:-1], content[:-20] + b"\xff" * 20):
        kept.write_bytes(damaged)
        assert site.run(program) == "single"
        assert kept.read_bytes() == content


def test_twins_may_be_what_either_of_them_lists(site: LockedSite) -> None:
    site.lock("first", {"shared.py": "NAME = 1", "first.py": ""})
    site.lock("second", {"shared.py": "NAME = 2", "second.py": ""})
    assert site.run("import shared; print(shared.NAME)") == "2"
    site.write("shared.py", "NAME = 1")
    assert site.run("import shared; print(shared.NAME)") == "1"
    site.write("shared.py", "NAME = 3")
    with pytest.raises(AssertionError, match="isn't the file that was locked"):
        site.run("import shared")


def test_a_package_that_imports_its_own_name_again(site: LockedSite) -> None:
    """As opencv-python's loader does: its directory on `sys.path`, its own name once more."""
    loader = (
        "import importlib, os, sys\n"
        "here = os.path.dirname(__file__)\n"
        "saved = list(sys.path)\n"
        "sys.path.insert(0, here)\n"
        "own = sys.modules.pop(__name__)\n"
        "native = importlib.import_module(__name__)\n"
        "sys.modules[__name__] = own\n"
        "sys.path[:] = saved\n"
        "NAME = native.NAME\n"
    )
    site.lock("cv", {"cv/__init__.py": loader, "cv/cv.py": "NAME = 'native'"})
    before = other(site, "before", {"cv.py": EVIL, "cv/__init__.py": EVIL})
    assert site.run("import cv; print(cv.NAME)", before=[before]) == "native"


def test_links_to_the_site_directory_lead_to_the_lists(site: LockedSite) -> None:
    site.write("pack/stray.py", EVIL)
    alias = site.directory / "alias"
    alias.symlink_to(site.root)
    printed = site.run(
        "sys.path.remove(site)\nimport pack.child\n"
        "print(pack.child.__file__)\n"
        "try:\n    import pack.stray\nexcept ModuleNotFoundError as error:\n    print(error)",
        before=[alias],
    )
    assert printed.splitlines() == [f"{alias}/pack/child.py", "No module named 'pack.stray'"]


def test_a_site_directory_that_was_locked_by_a_link(site: LockedSite) -> None:
    """As where `/opt/current` leads to one of several releases."""
    real = site.directory / "release"
    site.root.rename(real)
    site.root.symlink_to(real)
    (real / "pack/stray.py").write_text(EVIL)
    printed = site.run(
        "import pack.child\n"
        "try:\n    import pack.stray\nexcept ModuleNotFoundError as error:\n    print(error)\n"
        "print(pack.__file__)",
        before=[real],
    )
    assert printed.splitlines() == [
        "No module named 'pack.stray'",
        f"{real}/pack/__init__.py",
    ]


def test_an_egg_beside_what_is_locked_is_found_as_ever(site: LockedSite) -> None:
    with zipfile.ZipFile(site.write("egg-1.0.egg"), "w") as archive:
        archive.writestr("inside_egg.py", "NAME = 'egg'")
    printed = site.run(
        "sys.path.append(site + '/egg-1.0.egg')\nimport inside_egg; print(inside_egg.NAME)"
    )
    assert printed == "egg"


def test_a_linked_package_is_compared_too(site: LockedSite) -> None:
    evil = other(site, "evil", {"__init__.py": "NAME = 'pack'", "child.py": "NAME = 'evil!'"})
    (site.root / "pack").rename(site.directory / "old")
    (site.root / "pack").symlink_to(evil)
    printed = site.run(
        "import pack\n"
        "try:\n    import pack.child\nexcept ImportError as error:\n    print(error.message)"
    )
    assert printed == "`pack/child.py` of `pack` isn't the file that was locked"


def test_what_tools_ask_modules_for(site: LockedSite) -> None:
    site.write("pack/stray.py", EVIL)
    site.write("free.py", "")
    printed = site.run(
        "import inspect, pkgutil, pack, pack.deep.leaf, space.a, traceback, importlib.util\n"
        "print(inspect.getsource(pack.deep.leaf.f).strip())\n"
        "print(pack.deep.leaf.__loader__.get_source('pack.deep.leaf'))\n"
        "single_is_package = importlib.util.find_spec('single').loader.is_package('single')\n"
        "print(pack.__loader__.is_package('pack'), single_is_package)\n"
        "print([(m.name, m.ispkg) for m in pkgutil.walk_packages(pack.__path__, 'pack.')])\n"
        "print([m.name for m in pkgutil.iter_modules([site])])\n"
        "print(pkgutil.get_data('pack', 'data/table.txt'))\n"
        "print(importlib.util.find_spec('pack.child').origin == site + '/pack/child.py')\n"
        "import runpy\n"
        "print(*(runpy.run_module(name)['NAME'] for name in ('single', 'pack.child')))\n"
    )
    assert printed.splitlines() == [
        "def f():",
        "    return 'leaf'",
        "def f():",
        "    return 'leaf'",
        "True False",
        "[('pack.child', False), ('pack.deep', True), ('pack.deep.leaf', False)]",
        "['pack', 'single', 'free']",
        "b'locked data'",
        "True",
        "single child",
    ]


DATA = {
    "pkgutil": "pkgutil.get_data('pack', 'data/table.txt')",
    "a package": "(importlib.resources.files('pack') / 'data' / 'table.txt').read_bytes()",
    "a directory": "importlib.resources.files('pack.data').joinpath('table.txt').read_bytes()",
    "text": "(importlib.resources.files('pack') / 'data/table.txt').read_text().encode()",
    "a stream": "(importlib.resources.files('pack') / 'data/table.txt').open('rb').read()",
    "lines": "(importlib.resources.files('pack') / 'data/table.txt').open(encoding='ascii')"
    ".read().encode()",
}


@pytest.mark.parametrize("name", DATA)
def test_data_that_a_loader_reads_is_compared(name: str, site: LockedSite) -> None:
    program = f"import importlib.resources, pkgutil; print({DATA[name]})"
    assert site.run(program) == "b'locked data'"
    site.write("pack/data/table.txt", "forged data")
    with pytest.raises(AssertionError, match=r"`pack/data/table.txt` of `pack` isn't the file"):
        site.run(program)


def test_unlisted_code_in_a_locked_package_is_not_there_and_other_files_are(
    site: LockedSite,
) -> None:
    site.write("pack/data/stray.txt", "stray")
    site.write("pack/data/stray.py", "stray = 1")
    printed = site.run(
        "import importlib.resources, pkgutil\n"
        "files = importlib.resources.files('pack') / 'data'\n"
        "print(sorted(path.name for path in files.iterdir()), (files / 'stray.txt').read_text())\n"
        "for read in (lambda: (files / 'stray.py').read_text(),\n"
        "             lambda: pkgutil.get_data('pack', 'data/stray.py')):\n"
        "    try:\n        print(read())\n"
        "    except FileNotFoundError as error:\n        print(error.strerror)\n"
    )
    assert printed.splitlines() == [
        "['stray.py', 'stray.txt', 'table.txt'] stray",
        "the lock doesn't list this file",
        "the lock doesn't list this file",
    ]


def test_tracebacks_and_tracing_know_the_sources(site: LockedSite) -> None:
    site.lock("faulty", {"faulty.py": "def f():\n    raise ValueError('why')\n"})
    printed = site.run(
        "import linecache, sys, traceback, faulty\n"
        "lines = []\n"
        "def trace(frame, event, argument):\n"
        "    if frame.f_code.co_filename == faulty.__file__:\n"
        "        lines.append((event, frame.f_lineno))\n"
        "    return trace\n"
        "sys.settrace(trace)\n"
        "try:\n    faulty.f()\nexcept ValueError:\n    text = traceback.format_exc()\n"
        "sys.settrace(None)\n"
        "print(lines)\n"
        "print(\"raise ValueError('why')\" in text, linecache.getline(faulty.__file__, 1).strip())"
    )
    assert printed.splitlines() == [
        "[('call', 1), ('line', 2), ('exception', 2), ('return', 2)]",
        "True def f():",
    ]


def test_an_import_that_fails_inside_says_only_what_the_module_did(site: LockedSite) -> None:
    site.lock("faulty", {"faulty.py": "import nowhere_at_all\n"})
    with pytest.raises(AssertionError) as caught:
        site.run("import faulty")
    lines = str(caught.value).splitlines()
    assert lines[-1] == "ModuleNotFoundError: No module named 'nowhere_at_all'"
    assert not any("coral_lock" in line or "importlib" in line for line in lines)


def test_metadata_of_unlocked_distributions(site: LockedSite) -> None:
    for name in ("pack", "free"):
        site.write(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n")
    program = (
        "import importlib.metadata as metadata\n"
        "print(sorted({each.metadata['Name'] for each in metadata.distributions(path=[site])}))\n"
        "try:\n    print(metadata.version('free'))\n"
        "except metadata.PackageNotFoundError:\n    print('absent')"
    )
    assert site.run(program).splitlines() == ["['free', 'pack']", "1.0"]
    assert site.run(program, closed=True).splitlines() == ["['pack']", "absent"]


def test_an_endless_source_is_not_read(site: LockedSite) -> None:
    os.truncate(site.root / "pack/child.py", 500 << 30)
    with pytest.raises(AssertionError, match=r"`pack/child.py` of `pack` is missing or unreadable"):
        site.run("import pack.child")


def test_the_program_s_own_names_are_its_own_business(site: LockedSite) -> None:
    """What programs put into `sys.modules`, and finders that they bring, work as ever."""
    printed = site.run(
        "import types, importlib.util, pack\n"
        "sys.modules['pack.made'] = types.ModuleType('pack.made')\n"
        "import pack.made\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'pack.vendored':\n"
        "            return importlib.util.spec_from_loader(name, Finder)\n"
        "    create_module = staticmethod(lambda spec: None)\n"
        "    exec_module = staticmethod(lambda module: setattr(module, 'NAME', 'vendored'))\n"
        "sys.meta_path.append(Finder)\n"
        "import pack.vendored; print(pack.vendored.NAME)"
    )
    assert printed == "vendored"


def test_a_process_that_imports_nothing_locked_asks_for_no_lists(site: LockedSite) -> None:
    printed = site.run(
        "import asyncio, ctypes, json, logging, multiprocessing, pkgutil, subprocess\n"
        "try:\n    import nothing_of_that_name\nexcept ImportError:\n    pass\n"
        "print(supplied, 'coral_lock.imports.verified' in sys.modules)"
    )
    assert printed == "[] False"


@pytest.mark.parametrize("version", usable_interpreters())
def test_every_interpreter_imports_alike(site: LockedSite, version: str) -> None:
    for path in ("nsp.py", "space.py", "pack/stray.py", "pack/child/__init__.py"):
        site.write(path, EVIL)
    site.write("space/c.py", "NAME = 'c'")
    program = (
        "import importlib.resources, pkgutil, pack.child, space.a, space.inner.b, space.c\n"
        "print(pack.child.NAME, space.a.NAME, space.inner.b.NAME, space.c.NAME, space.__file__)\n"
        "print([each.name for each in pkgutil.iter_modules(pack.__path__)])\n"
        "from importlib.resources import files as files_of\n"
        "for files in (files_of('pack.data'), files_of('pack')):\n"
        "    print(sorted(each.name for each in files.iterdir() if '__' not in each.name))\n"
        "print((files / 'data' / 'table.txt').read_text(encoding='ascii'))\n"
        "with importlib.resources.as_file(files / 'data' / 'table.txt') as place:\n"
        "    print(os.path.relpath(place, site))\n"
        "try:\n    import pack.stray\nexcept ModuleNotFoundError as error:\n    print(error)\n"
        "import importlib; print(importlib.reload(pack.child) is pack.child)"
    )
    for _ in range(2):
        printed = site.run(program, python=str(usable_interpreters()[version]))
        assert printed.splitlines() == [
            "child a b c None",
            "['child', 'deep']",
            "['table.txt']",
            "['child', 'child.py', 'data', 'deep', 'stray.py']",
            "locked data",
            "pack/data/table.txt",
            "No module named 'pack.stray'",
            "True",
        ]


def test_a_locked_name_is_found_nowhere_else(site: LockedSite) -> None:
    """Not even if a program takes the locked files off its path."""
    behind = other(site, "behind", {"single.py": EVIL})
    printed = site.run(
        "sys.path.remove(site)\n"
        "try:\n    import single\nexcept ModuleNotFoundError as error:\n    print(error)",
        behind=[behind],
    )
    assert printed == "No module named 'single'"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it left the standard library")
def test_setuptools_may_replace_distutils(site: LockedSite) -> None:
    printed = site.run(
        "from importlib.machinery import ModuleSpec\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return ModuleSpec(name, self) if name == 'distutils' else None\n"
        "    def create_module(self, spec):\n        return None\n"
        "    def exec_module(self, module):\n        module.NAME = 'replaced'\n"
        "sys.meta_path.insert(2, Finder())\n"
        "import distutils; print(distutils.NAME)"
    )
    assert printed == "replaced"


def test_a_cache_of_bytecode_is_no_package(site: LockedSite) -> None:
    site.write("space/__pycache__/stray.py", EVIL)
    printed = site.run(
        "try:\n    import space.__pycache__.stray\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    assert printed == "No module named 'space.__pycache__'"


def test_a_locked_package_adds_no_stray_portion_to_a_namespace(site: LockedSite) -> None:
    site.write("pack/inner/stray.py", EVIL)
    printed = site.run(
        "import pack\npack.__path__ = [site + '/space', site + '/pack']\n"
        "import pack.inner.b; print(list(pack.inner.__path__) == [site + '/space/inner'])"
    )
    assert printed == "True"


_LOADED = "try:\n    ctypes.CDLL(site + '/nat.libs/lib.so')\nexcept Exception as error:\n    "


def test_a_library_that_a_program_loads_by_its_path_is_compared(site: LockedSite) -> None:
    site.lock("nat", {"nat.libs/lib.so": "locked"})
    site.write("nat.libs/lib.so", "changed")
    printed = site.run(f"import ctypes\n{_LOADED}print(type(error).__name__, len(findings))")
    assert printed == "ChangedFileError 1"
    # Without the lock it is the system that refuses what is no library.
    printed = site.run(
        "import ctypes\nfrom coral_lock.imports.finder import remove_imports\n"
        f"remove_imports()\n{_LOADED}print(type(error).__name__, len(findings))"
    )
    assert printed == "OSError 0"


def test_directories_that_were_looked_at_before_are_under_the_lock_too(site: LockedSite) -> None:
    printed = site.run(
        "import pkgutil\nfrom coral_lock.imports.finder import remove_imports\n"
        "remove_imports()\nprint(type(pkgutil.get_importer(site)).__name__)\n"
        "install_imports(table.index([]), supply, on_mismatch=findings.append)\n"
        "print(type(pkgutil.get_importer(site)).__name__)"
    )
    assert printed.split() == ["FileFinder", "LockedDirectory"]


def test_where_a_directory_leads_is_asked_again_when_caches_are_invalid(site: LockedSite) -> None:
    elsewhere = other(site, "elsewhere", {"any.py": ""})
    printed = site.run(
        f"import importlib\nlink = {str(site.directory / 'link')!r}\n"
        f"os.symlink({str(elsewhere)!r}, link)\nprint(imports.place_of(link))\n"
        "os.remove(link)\nos.symlink(site, link)\nimportlib.invalidate_caches()\n"
        "print(imports.place_of(link) == (site, ''))"
    )
    assert printed.splitlines() == ["None", "True"]
