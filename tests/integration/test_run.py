"""`run` beside plain Python: what a program sees, how it ends, and what is refused and how."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device, Environments, Outcome, make_device
from tests.support.reports import earlier_report

FACTS = """\
import json, sys
main = sys.modules["__main__"]
assert vars(main) is globals()
names = {name: value for name, value in vars(main).items() if name.startswith("__")}
names["__cached__"] = names.get("__cached__", 0) is None
names["__builtins__"] = type(names["__builtins__"]).__name__
names["__spec__"] = getattr(names["__spec__"], "name", None)
loader = names.pop("__loader__")
print(json.dumps({
    "names": names,
    "loader": [getattr(loader, "__name__", type(loader).__name__), getattr(loader, "name", None)],
    "argv": sys.argv,
    "first": sys.path[0],
    "flags": {name: getattr(sys.flags, name) for name in dir(sys.flags) if name.islower()
              and name[0] != "_" and isinstance(getattr(sys.flags, name), int)},
    "warnings": sys.warnoptions,
    "options": sys._xoptions,
    "unbuffered": sys.stdout.write_through,
    "hook": sys.excepthook is sys.__excepthook__,
}))
"""

LONG = "a-directory-whose-name-alone-is-too-long-for-the-first-line-of-a-script/" * 2


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, environments: Environments
) -> Iterator[Device]:
    """A locked device with programs of all kinds, shared by the tests, which change nothing."""
    made = environments.device(tmp_path_factory.mktemp("run") / "device", "my-package==1.0.0")
    made.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    for directory in ("folder", "package", "bare"):
        (made.directory / directory).mkdir()
    for place in ("facts.py", "folder/__main__.py", "package/__main__.py", "package/module.py"):
        made.write(place, FACTS)
    made.write("package/__init__.py", "")
    made.write("bare/__init__.py", "")
    made.write("text", "only words\n")
    made.write("torn", '#!/bin/sh\n\'\'\'exec\' "/opt/python "$0" "$@"\n')
    made.write("deploy.sh", "#!/bin/sh\npython app.py\n")
    made.write("latin.py", "# coding: latin-1\nprint(len('\xe9'))\n").write_bytes(
        b"# coding: latin-1\nprint(len('\xe9'))\n"
    )
    with zipfile.ZipFile(made.directory / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", FACTS)
    made.run("python", "-m", "py_compile", "facts.py").require(0)
    (compiled,) = (made.directory / "__pycache__").glob("facts.*.pyc")
    shutil.copy(compiled, made.directory / "compiled.pyc")
    script = made.environment.bin / "serve"
    script.write_text(f"#!{made.environment.python}\n{FACTS}", encoding="utf-8")
    script.chmod(0o755)
    yield made
    environments.give_back(made.environment)


def _run(machine: Device, *words: str, **environment: str) -> Outcome:
    return machine.coral("run", "--locked", "--", *words, env=environment)


def _plain(machine: Device, *words: str, **environment: str) -> Outcome:
    return machine.run("python", *words, env=environment)


FORMS = {
    "a file": ["facts.py", "a", "--b"],
    "a file, in another spelling": ["./package/../facts.py"],
    "a directory": ["folder", "a"],
    "an archive": ["./archive.pyz", "a"],
    "bytecode": ["compiled.pyc", "a"],
    "a module": ["-m", "facts", "a"],
    "a package": ["-m", "package", "-m", "x"],
    "a module of a package": ["-mpackage.module"],
    "code": ["-c", FACTS, "a", "-c"],
    "flags": ["-uBq", "-W", "ignore", "-Wonce", "-X", "utf8", "-Xdev", "-O", "--", "facts.py"],
    "flags and code": ["-sbc", FACTS],
    "isolated": ["-I", "facts.py"],
    "isolated module": ["-Im", "json.tool", "--help"],
}


class TestWhatAProgramSees:
    @pytest.mark.parametrize("name", FORMS)
    def test_it_is_what_plain_python_shows(self, machine: Device, name: str) -> None:
        words = FORMS[name]
        plain = _plain(machine, *words).require(0)
        for interpreter in (["python"], ["python3"], [str(machine.environment.python)], []):
            assert _run(machine, *interpreter, *words).require(0).stdout == plain.stdout

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="since 3.11")
    @pytest.mark.parametrize("words", [["-P", "facts.py"], ["-P", "-m", "json.tool", "-h"]])
    def test_a_safe_path_is_the_program_s_own_affair(
        self, machine: Device, words: list[str]
    ) -> None:
        assert _run(machine, *words).require(0).stdout == _plain(machine, *words).stdout
        plain = _plain(machine, *words[1:], PYTHONSAFEPATH="1").require(0)
        assert _run(machine, *words[1:], PYTHONSAFEPATH="1").require(0).stdout == plain.stdout
        ours = ("python", "-P", "-m", "coral_lock", "run", "--locked", "--", "facts.py")
        assert json.loads(machine.run(*ours).require(0).stdout)["first"] == str(machine.directory)

    def test_code_from_standard_input(self, machine: Device) -> None:
        own, plain = (
            subprocess.run(
                (machine.environment.bin / words[0], *words[1:]),
                input=FACTS,
                cwd=machine.directory,
                env=machine.variables(),
                capture_output=True,
                text=True,
                check=True,
            )
            for words in (
                ("coral-runtime", "run", "--locked", "--", "python", "-", "a"),
                ("python", "-", "a"),
            )
        )
        assert own.stdout == plain.stdout

    def test_a_console_script_of_the_environment(self, machine: Device) -> None:
        facts = json.loads(_run(machine, "serve", "app:app").require(0).stdout)
        path = str(machine.environment.bin / "serve")
        assert facts == json.loads(_plain(machine, path, "app:app").require(0).stdout)
        assert facts["argv"] == [path, "app:app"]

    def test_options_on_a_script_s_first_line_hold(self, machine: Device) -> None:
        script = machine.environment.bin / "serve-unbuffered"
        script.write_text(f"#!/usr/bin/env -S python -u\n{FACTS}", encoding="utf-8")
        assert json.loads(_run(machine, script.name).require(0).stdout)["unbuffered"] is True

    def test_the_encoding_of_a_source_is_heeded(self, machine: Device) -> None:
        assert _run(machine, "latin.py").require(0).stdout == "1\n"

    def test_our_own_future_imports_are_not_the_program_s(self, machine: Device) -> None:
        code = "def f(x: 1 + 1): pass\nprint(f.__annotations__)"
        assert _run(machine, "-c", code).require(0).stdout == "{'x': 2}\n"

    def test_it_is_the_very_same_process(self, machine: Device) -> None:
        code = "import os; print(os.getpid())"
        started = subprocess.Popen(
            [
                machine.environment.bin / "coral-runtime",
                *("run", "--locked", "--", "python", "-u", "-c", code),
            ],
            cwd=machine.directory,
            env=machine.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert started.communicate()[0] == f"{started.pid}\n"

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    @pytest.mark.parametrize("words", [["jobs.py"], ["-m", "jobs"]])
    def test_multiprocessing_finds_what_the_program_defines(
        self, machine: Device, method: str, words: list[str]
    ) -> None:
        machine.write(
            "jobs.py",
            "import multiprocessing, sys\n"
            "def double(number):\n    return 2 * number\n"
            "if __name__ == '__main__':\n"
            "    context = multiprocessing.get_context(sys.argv[1])\n"
            "    with context.Pool(1) as pool:\n        print(pool.map(double, [1, 2]))\n",
        )
        assert _run(machine, "python", *words, method).require(0).stdout == "[2, 4]\n"

    def test_a_script_whose_interpreter_has_a_long_path(
        self, tmp_path: Path, wheelhouse: Path
    ) -> None:
        machine = make_device(tmp_path / LONG / "with space", wheelhouse, "my-package==1.0.0")
        machine.locked("--core-version=0.0.4", "--inference-version=0.58.0")
        for installer in ("uv", "pip"):
            (machine.environment.bin / "coral-runtime").unlink()
            again = {"uv": "--reinstall", "pip": "--force-reinstall"}[installer]
            machine.install(again, "coral-lock", installer=installer, no_deps=True)
            assert (machine.environment.bin / "coral-runtime").read_bytes()[:9] == b"#!/bin/sh"
            inner = _run(machine, "coral-runtime", "--version").require(0)
            assert inner.stdout.startswith("coral-runtime ")

    def test_a_module_of_the_host_is_warned_about(self, device: MakeDevice) -> None:
        machine = device("my-package==1.0.0", "coral-inference==0.0.5.dev1", "inference==0.58.0")
        machine.locked_once()
        words = ("--report", "r.json", "--", "python", "-m", "coral_inference.runtime.config")
        outcome = machine.coral("run", "--locked", *words).require(0)
        assert (
            "warning[host-as-main]: `coral_inference.runtime.config` runs as `__main__`, so "
            "patches of that module don't reach it\n"
            "  hint: run a file of your own that imports `coral_inference.runtime.config`\n"
        ) in outcome.stderr
        findings = json.loads((machine.directory / "r.json").read_text())["findings"]
        assert [finding["code"] for finding in findings] == ["host-as-main"]


class TestHowAProgramEnds:
    @pytest.mark.parametrize("code", [0, 1, 2, 3, 7, 75, 77, 78, 126, 127, 255])
    def test_its_exit_code_is_passed_through(self, machine: Device, code: int) -> None:
        assert _run(machine, "-c", f"raise SystemExit({code})").code == code

    @pytest.mark.parametrize(
        "code",
        [
            "",
            "raise SystemExit",
            "raise SystemExit('words')",
            "raise SystemExit(True)",
            "raise SystemExit(-1)",
            "raise SystemExit(256)",
            "import os; os._exit(9)",
            "import os; os.abort()",
            "import sys; sys.stdout = None; 1 / 0",
            "raise KeyboardInterrupt",
            "raise GeneratorExit",
            "import os; os.kill(os.getpid(), 2)",
            "import os; os.kill(os.getpid(), 9)",
            "import os; os.kill(os.getpid(), 15)",
            "import signal; signal.raise_signal(signal.SIGHUP)",
            "import os; os.close(1); print('x')",
            "import atexit, os; atexit.register(os._exit, 5)",
            "import atexit; atexit.register(lambda: 1 / 0)",
            "import threading; threading.Thread(target=lambda: 1 / 0).start()",
            "import sys; sys.excepthook = lambda *args: print(args[0], args[2].tb_lineno); 1 / 0",
            "1 +",
            "import os; os.execl('/bin/sh', 'sh', '-c', 'exit 6')",
        ],
    )
    @pytest.mark.parametrize("form", ["file", "module", "code"])
    def test_it_ends_as_under_plain_python(self, machine: Device, code: str, form: str) -> None:
        machine.write("ending.py", code)
        words = {"file": ["ending.py"], "module": ["-m", "ending"], "code": ["-c", code]}[form]
        own, plain = _run(machine, "python", *words), _plain(machine, *words)
        assert (own.code, own.stdout) == (plain.code, plain.stdout)
        if form == "code" and sys.version_info >= (3, 13):
            # Its tracebacks have the lines of the code in them from then on.
            return
        said = own.stderr.partition("active\n")[2]
        assert _normal(said) == _normal(plain.stderr)

    def test_a_traceback_starts_in_the_program(self, machine: Device) -> None:
        machine.write("broken.py", "def f():\n    raise ValueError('mine')\n\n\nf()\n")
        own, plain = _run(machine, "broken.py"), _plain(machine, "broken.py")
        assert own.code == 1
        assert own.stderr.endswith(plain.stderr)
        assert "coral_lock" not in own.stderr

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    @pytest.mark.parametrize("handled", [False, True])
    def test_signals_reach_it(self, machine: Device, number: int, handled: bool) -> None:
        code = "import signal, sys, time\n"
        if handled:
            code += f"signal.signal({int(number)}, lambda *_: sys.exit(4))\n"
        code += "print('ready', flush=True)\ntime.sleep(60)\n"
        started = subprocess.Popen(
            (machine.environment.bin / "coral-runtime", "run", "--locked", "--", "-c", code),
            cwd=machine.directory,
            env=machine.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # The test run itself may be one that a shell has put into the background.
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
        )
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        started.send_signal(number)
        assert started.wait(20) == (4 if handled else -number)
        started.stdout.close()


ENDINGS = {
    "": 0,
    "raise SystemExit(3)": 3,
    "raise SystemExit('words')": 1,
    "1 / 0": 1,
    "raise KeyboardInterrupt": -2,
    "import threading, time; threading.Thread(target=lambda: time.sleep(.2)).start()": 0,
}
LAST_WORD = """\
import atexit, os, sys
from coral_lock.start.program import prepare_program

def last_word(code):
    print("the program said", code)
    return {instead}

program = prepare_program(["-c", sys.argv[1]], exit_code_after=last_word)
atexit.register(print, "a callback of a plugin")
program.run()
"""


class TestTheLastWord:
    @pytest.mark.parametrize("code", ENDINGS)
    @pytest.mark.parametrize("instead", [77, None])
    def test_it_is_spoken_however_the_program_ends(
        self, machine: Device, code: str, instead: int | None
    ) -> None:
        words = "import atexit; atexit.register(print, 'its own callback')\n" + code
        outcome = machine.run("python", "-c", LAST_WORD.format(instead=instead), words)
        own = ENDINGS[code]
        assert outcome.stdout == (
            f"its own callback\na callback of a plugin\nthe program said {own}\n"
        )
        assert outcome.code == (own if instead is None else instead)

    def test_a_fork_of_the_program_has_none(self, machine: Device) -> None:
        words = "import os, sys\nif os.fork() == 0: sys.exit(9)\nprint(os.wait()[1] >> 8)"
        outcome = machine.run("python", "-c", LAST_WORD.format(instead=77), words)
        assert outcome.stdout.count("the program said") == 1
        assert "\n9\n" in f"\n{outcome.stdout}"
        assert outcome.code == 77


def _normal(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "0x" not in line)


OTHER = "isn't the interpreter of this environment\n"
MISTAKES: list[tuple[list[str], int, str, str]] = [
    ([], 78, "no program to run\n", "write `{run} python app.py`"),
    (["python"], 78, "`python` without a program is interactive", "write `{run} python app.py`"),
    (["python", "-c"], 78, "the option `-c` of `python` needs a value\n", ""),
    (
        ["python", "-uSB", "-W", "once", "a.py"],
        126,
        "`run` can't pass the option `-S` to `python`\n",
        "remove it\n",
    ),
    (
        ["python", "--version"],
        126,
        "`run` can't pass the option `--version` to `python`\n",
        "remove it\n",
    ),
    (["python2", "a.py"], 126, f"`python2` {OTHER}", "write `{run} python a.py`"),
    (["python3.99", "a.py"], 126, f"`python3.99` {OTHER}", "write `{run} python a.py`"),
    ([sys.executable, "a b"], 126, f"`{sys.executable}` {OTHER}", "{run} python 'a b'`"),
    (["./python", "a.py"], 127, "there is no interpreter `./python`\n", "`{run} python a.py`"),
    (["nothing"], 127, "there is no program `nothing`\n", "name a Python file, a module ("),
    (["python", "nothing.py"], 127, "there is no program `nothing.py`\n", "name a Python file"),
    (["facts", "a"], 127, "there is no program `facts`\n", "write `{run} python facts.py a`"),
    (["python", "serve", "a"], 127, "there is no program `serve`\n", "write `{run} serve a`"),
    (["json.tool"], 127, "there is no program `json.tool`\n", "`{run} python -m json.tool`"),
    (["-m", "nothing"], 127, "there is no module `nothing`\n", "name a Python file, a module ("),
    (["-m", "package.no"], 127, "there is no module `package.no`\n", "name a Python file, a"),
    (["-m", "facts.py"], 127, "there is no module `facts.py`\n", "write `{run} python facts.py`"),
    (
        ["-m", "bare"],
        127,
        "there is no module `bare.__main__`\n",
        "name a Python file, a module (",
    ),
    (
        ["bare"],
        126,
        "the directory `bare` has no `__main__.py`, so it can't be run\n",
        "name a Python file in it, or a module with `python -m MODULE`\n",
    ),
    (
        ["./deploy.sh"],
        126,
        "`./deploy.sh` isn't a Python program, but a program for `/bin/sh`\n",
        "write `coral-runtime run --locked -- python …` where it starts Python",
    ),
    (["python", "deploy.sh"], 126, "`deploy.sh` isn't a Python program, but a program for", ""),
    (["sh", "-c", "python a.py"], 126, "sh` isn't a Python program, but a binary\n", ""),
    (
        ["env", "A=1", "python3", "-u", "a.py"],
        126,
        "env` isn't a Python program, but a binary\n",
        "write `coral-runtime run --locked -- python …` where it starts Python",
    ),
    (["./torn"], 126, "`./torn` isn't a Python program\n", "write `{run} python ./torn`"),
    (["text", "a"], 126, "`text` isn't a Python program\n", "write `{run} python text a`"),
    (["python", "/dev/null"], 126, "`/dev/null` can't be read: not a regular file\n", ""),
]


class TestWhatIsRefused:
    @pytest.mark.parametrize(("words", "code", "message", "hint"), MISTAKES)
    def test_a_mistake_is_answered_with_what_to_type(
        self, machine: Device, words: list[str], code: int, message: str, hint: str
    ) -> None:
        outcome = _run(machine, *words).require(code)
        assert outcome.stderr.startswith("error: ")
        assert message in outcome.stderr
        assert hint.replace("{run}", "coral-runtime run --locked --") in outcome.stderr
        assert "started" not in outcome.stderr

    def test_a_script_of_another_environment(self, machine: Device, tmp_path: Path) -> None:
        script = tmp_path / "serve"
        interpreter = tmp_path / "bin" / "python"
        interpreter.parent.mkdir()
        interpreter.symlink_to(os.path.realpath(sys.executable))
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        script.write_text(f"#!{interpreter}\nprint('ran')\n", encoding="utf-8")
        outcome = _run(machine, str(script), "a").require(126)
        assert outcome.stderr == (
            f"error: `{interpreter}` isn't the interpreter of this environment\n"
            f"  expected: {machine.environment.python}, Python {version}\n"
            f"  where: {script}\n"
            f"  hint: write `coral-runtime run --locked -- python {script} a`, or use the "
            "`coral-runtime` of that one\n"
        )
        assert _run(machine, "python", str(script)).require(0).stdout == "ran\n"

    def test_what_the_hints_say_works(self, machine: Device) -> None:
        hint = _run(machine, "json.tool", "--help").require(127).stderr.partition("`")[2]
        command = hint.rpartition("write `")[2].partition("`")[0].split()
        assert machine.run(*command).require(0).stdout.startswith("usage:")

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["--locked", "--nonsense", "--", "facts.py"], 78),
            (["--", "facts.py"], 78),
            (["--locked", "--lock", "absent.lock", "--", "facts.py"], 78),
            (["--locked", "--set", "platform=rknn", "--", "facts.py"], 78),
            (["--locked", "-c", "absent.yaml", "--", "facts.py"], 78),
            (["--locked", "--", "nothing"], 127),
            (["--locked", "--", "deploy.sh"], 126),
        ],
    )
    def test_it_has_exit_codes_of_its_own_and_the_report_says_why(
        self, machine: Device, words: list[str], code: int, tmp_path: Path
    ) -> None:
        report = tmp_path / "report.json"
        report.write_text(earlier_report(), encoding="utf-8")
        outcome = machine.coral("run", "--report", str(report), *words).require(code)
        assert outcome.stdout == ""
        if "--nonsense" in words:
            # Nobody knows what the rest of such a command line would mean.
            return
        document = json.loads(report.read_text(encoding="utf-8"))
        assert document["outcome"] == "refused"
        said = {
            f"error{'' if each['code'] == 'not-started' else '[' + each['code'] + ']'}: "
            f"{each['summary']}"
            for each in document["findings"]
            if each["severity"] == "error"
        }
        assert said
        assert said <= set(outcome.stderr.splitlines())

    def test_drift_and_changed_bytes(self, device: MakeDevice) -> None:
        machine = device("my-package==1.0.0")
        machine.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
        machine.install("acme-object")
        assert _run(machine, "-c", "print('ran')").require(78).stdout == ""
        machine.coral("init", "--locked").require(1)
        (machine.site_packages / "my_package" / "coral_plugins.py").write_text("print('ran')\n")
        assert _run(machine, "-c", "print('ran')").require(77).stdout == ""
        machine.coral("init", "--locked").require(3)
        machine.coral("verify").require(3)

    def test_a_plugin_that_fails(self, device: MakeDevice) -> None:
        machine = device("fails-raise", "coral-inference==0.0.5.dev1", "inference==0.58.0")
        machine.locked_once()
        program = "import coral_inference; print('ran')"
        assert _run(machine, "-c", program).require(78).stdout == ""

    def test_what_may_pass_by_itself(self, machine: Device, tmp_path: Path) -> None:
        full = machine.coral(
            *("run", "--locked", "--report", "/dev/full", "--", "-c", "print('ran')")
        ).require(75)
        assert full.stdout == ""
        assert "No space left on device" in full.stderr
        missing = machine.coral("run", "--locked", "--lock", str(tmp_path / "x"), "--", "-c", "1")
        assert missing.code == 78
