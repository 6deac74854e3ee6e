"""When shared libraries are compared: before the first module of their distribution is imported."""

from __future__ import annotations

import os
import re
import sysconfig
import time
from pathlib import Path

import pytest

from coral_lock.imports.libraries import ReadAhead, read_hint, write_hint
from coral_lock.safe_files import identity_of
from tests.support.locked_site import LockedSite

DYNLOAD = Path(os.__file__).parent / "lib-dynload"
MODULES = sorted(DYNLOAD.glob("_statistics*.so"))
EXTENSION = sysconfig.get_config_var("EXT_SUFFIX")
SHOW = "print(sorted(os.path.basename(each.where) for each in findings))"

pytestmark = pytest.mark.skipif(not MODULES, reason="extension modules are built in")


@pytest.fixture
def site(tmp_path: Path) -> LockedSite:
    made = LockedSite(directory=tmp_path)
    content = MODULES[0].read_bytes()
    made.lock(
        "native",
        {
            "native/__init__.py": "",
            f"native/_statistics{EXTENSION}": content,
            "native.libs/libone.so.1": content + b"1",
            "native.libs/readme.txt": "",
        },
        requires=["only-libraries", "other"],
    )
    made.lock(
        "only-libraries", {"vendor/lib/libvendor.so": content + b"2"}, requires=["more-libraries"]
    )
    made.lock("more-libraries", {"vendor/lib/libmore.so": content + b"3"})
    made.lock(
        "other",
        {"other/__init__.py": "", f"other/_x{EXTENSION}": b"", "other/libother.so": content},
    )
    return made


def test_a_distribution_without_libraries_has_none_compared(site: LockedSite) -> None:
    site.lock("pure", {"pure.py": ""}, requires=["native"])
    site.write("native.libs/libone.so.1", b"changed")
    assert site.run(f"import pure\n{SHOW}") == "[]"


def test_libraries_are_compared_before_the_first_module_of_their_distribution(
    site: LockedSite,
) -> None:
    # Native code may be loaded from C, of which nothing is told.
    site.write("native.libs/libone.so.1", b"changed")
    with pytest.raises(AssertionError, match=r"`native.libs/libone.so.1` of `native` isn't"):
        site.run("import native")


@pytest.mark.parametrize(
    ("path", "is_compared"),
    [
        (f"native/_statistics{EXTENSION}", True),
        ("native.libs/libone.so.1", True),
        ("native.libs/readme.txt", False),
        ("vendor/lib/libvendor.so", True),
        ("vendor/lib/libmore.so", True),
        ("other/libother.so", True),
    ],
)
@pytest.mark.parametrize("change", ["changed", "absent"])
def test_all_that_a_module_may_load_is_compared_first(
    site: LockedSite, path: str, is_compared: bool, change: str
) -> None:
    (site.root / path).unlink()
    if change == "changed":
        site.write(path, b"changed")
    printed = site.run(
        "try:\n    import native._statistics\n    print('loaded')\n"
        f"except ImportError as error:\n    print(type(error).__name__)\n{SHOW}"
    )
    expected = ("ChangedFileError", [os.path.basename(path)]) if is_compared else ("loaded", [])
    assert printed.splitlines() == [expected[0], str(expected[1])]


def test_a_module_that_is_tried_again_is_refused_again(site: LockedSite) -> None:
    site.write("native.libs/libone.so.1", b"changed")
    printed = site.run(
        "for _ in range(3):\n"
        "    try:\n        import native._statistics\n"
        "    except ImportError as error:\n        print(type(error).__name__)\n"
        f"{SHOW}"
    )
    assert printed.splitlines() == [*["ChangedFileError"] * 3, "['libone.so.1']"]


def test_a_library_that_was_compared_is_compared_again_once_it_was_touched(
    site: LockedSite,
) -> None:
    printed = site.run(
        "import ctypes, time; time.sleep(0.1); import native._statistics\n"
        "path = site + '/native.libs/libone.so.1'\n"
        "print(len(imports.files().libraries._seen))\n"
        "open(path, 'ab').write(b'x')\n"
        "try:\n    ctypes.CDLL(path)\nexcept ImportError as error:\n    print(error.message)"
    )
    assert printed.splitlines() == [
        "6",
        "`native.libs/libone.so.1` of `native` isn't the file that was locked",
    ]


def test_the_time_of_a_file_whose_hash_takes_long_is_said(site: LockedSite) -> None:
    printed = site.run(
        "from coral_lock.imports import libraries\n"
        "path = site + '/native.libs/readme.txt'\nopen(path).close()\nprint(imports.slow_files())\n"
        "libraries._LONG_SECONDS = 0\nos.utime(path)\nopen(path).close()\n"
        "print(imports.slow_files()[0].replace(site, ''))"
    )
    assert printed.splitlines()[0] == "[]"
    assert re.fullmatch(
        r"hashing `/native\.libs/readme\.txt` \(0 MiB\) took \d\.\d s", printed.splitlines()[1]
    )


@pytest.mark.parametrize("form", ["path", "os.fsencode(path)", "pathlib.Path(path)"])
def test_a_library_that_ctypes_loads(site: LockedSite, form: str) -> None:
    program = (
        "import ctypes, pathlib\npath = site + '/other/libother.so'\n"
        f"ctypes.CDLL({form} if sys.version_info >= (3, 12) else path)\nprint('loaded')"
    )
    (site.root / f"other/_x{EXTENSION}").unlink()
    with pytest.raises(AssertionError, match=r"`other/_x.*` of `other` is missing"):
        site.run(program)
    site.write(f"other/_x{EXTENSION}", b"")
    assert site.run(program) == "loaded"
    site.write("elsewhere.so", MODULES[0].read_bytes())
    assert site.run("import ctypes; ctypes.CDLL(site + '/elsewhere.so'); print(1)") == "1"


class TestReadAhead:
    def _old(self, path: Path, content: bytes) -> str:
        path.write_bytes(content)
        time.sleep(0.1)
        return str(path)

    def test_what_was_hashed_ahead_is_known(self, tmp_path: Path) -> None:
        paths = [self._old(tmp_path / name, name.encode() * 1000) for name in "ab"]
        ahead = ReadAhead(paths)
        for path in paths:
            identity = identity_of(os.stat(path))
            digest = ahead.take(path, identity)
            assert digest is None or len(digest) == 64
        assert ahead.take("unknown", (0, 0, 0, 0, 0)) is None
        ahead.stop()

    def test_a_file_that_was_touched_since_is_not_known(self, tmp_path: Path) -> None:
        path = self._old(tmp_path / "a", b"a")
        ahead = ReadAhead([path])
        while ahead._waiting or ahead._current:
            time.sleep(0.01)
        assert list(ahead._hashes) == [path]
        Path(path).write_bytes(b"b")
        assert ahead.take(path, identity_of(os.stat(path))) is None

    def test_a_file_that_is_as_young_as_the_clock_is_coarse_is_not_known(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"a")
        ahead = ReadAhead([str(path)])
        while ahead._waiting or ahead._current:
            time.sleep(0.01)
        assert ahead._hashes == {}

    def test_a_file_that_is_absent_or_a_pipe_ends_nothing(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        path = self._old(tmp_path / "a", b"a")
        ahead = ReadAhead([str(tmp_path / "absent"), str(tmp_path / "pipe"), path])
        while ahead._waiting or ahead._current:
            time.sleep(0.01)
        assert list(ahead._hashes) == [path]

    def test_a_fork_finds_no_second_thread(self, tmp_path: Path) -> None:
        path = self._old(tmp_path / "a", b"a" * 50_000_000)
        ahead = ReadAhead([path, path])
        child = os.fork()
        if child == 0:
            os._exit(0 if ahead._is_stopped else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_the_hint_is_nothing_but_names(self, tmp_path: Path) -> None:
        assert read_hint(str(tmp_path)) == ()
        write_hint(str(tmp_path), ["b", "a"])
        assert read_hint(str(tmp_path)) == ("b", "a")
        (tmp_path / "libraries").write_bytes(b"\xff" * 10)
        assert read_hint(str(tmp_path)) == ()


def test_what_was_loaded_is_hashed_ahead_by_the_next_start(site: LockedSite) -> None:
    program = (
        "imports.files().libraries.hash_ahead()\n"
        "ahead = imports.files().libraries._ahead\n"
        "while ahead and (ahead._waiting or ahead._current):\n    pass\n"
        "print(len(ahead._hashes) if ahead else 0)\n"
        "import native._statistics; print(len(imports.files().libraries._seen))"
    )
    time.sleep(0.1)
    first, second = site.run(program), site.run(program)
    if (os.cpu_count() or 1) > 1:
        assert (first.splitlines(), second.splitlines()) == (["0", "6"], ["6", "6"])
    site.write("vendor/lib/libmore.so", b"changed")
    with pytest.raises(AssertionError, match=r"`vendor/lib/libmore.so` of `more-libraries` isn't"):
        site.run(program)
