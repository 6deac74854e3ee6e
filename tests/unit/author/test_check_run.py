"""What running plugins shows: small modules in real, fresh interpreters."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from coral_lock.author import run
from coral_lock.author.check import CheckReport, check_subject
from coral_lock.author.run import check_run
from coral_lock.author.specs import learn
from coral_lock.author.subject import Subject, load_sample
from coral_lock.child_process import ChildEnd
from tests.unit.author.check_subjects import MANIFEST, subject

HERE = "acme/plugins.py"
SPEC = "register = PluginSpec(name='blur', activate=activate, description='Blur all faces')\n"
IMPORT = "from coral_inference.runtime.plugins import PluginSpec\n"
ACTIVATE = "def activate(config):\n    return True\n"
SOUND = IMPORT + ACTIVATE + SPEC
MANIFEST_TEXT = """\
manifest_version: 1
plugins:
  - group: patches
    name: blur
    entry_point: acme.plugins:register
    description: Blur all faces
    platforms: [rknn]
"""


def _subject(directory: Path, source: str, group: str = "patches", manifest: str = "") -> Subject:
    (directory / "acme").mkdir(exist_ok=True)
    (directory / HERE).write_text(source, encoding="utf-8")
    files = {HERE: source, **({MANIFEST: manifest} if manifest else {})}
    checked = subject(files, [(group, "blur", "acme.plugins:register")])
    return replace(checked, import_path=(str(directory),))


def _run(checked: Subject, time_limit: float = 20) -> CheckReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "TIME_LIMIT", time_limit)
        return check_subject(checked, run=True)


def _told(report: CheckReport) -> list[tuple[str, str, str]]:
    return [
        (finding.severity, finding.code, finding.summary)
        for finding in report.findings
        if finding.code != "manifest-missing"
    ]


def test_a_sound_plugin_is_measured(tmp_path: Path) -> None:
    report = _run(_subject(tmp_path, SOUND, manifest=MANIFEST_TEXT))
    assert report.findings == ()
    assert report.measurements is not None
    assert report.measurements.configuration == "the defaults"
    (imported,) = report.measurements.imports
    assert imported.error is None
    assert imported.import_ms is not None
    assert 0 < imported.import_ms < 1000
    assert imported.import_memory_kib is None or imported.import_memory_kib >= 0
    (activated,) = report.measurements.activations
    assert (activated.plugin, activated.platform, activated.result, activated.reason) == (
        "patches:blur", "rknn", "true", None,
    )  # fmt: skip


def test_without_a_manifest_two_platforms_are_tried(tmp_path: Path) -> None:
    report = _run(_subject(tmp_path, SOUND))
    assert report.measurements is not None
    assert [item.platform for item in report.measurements.activations] == ["onnx", "rknn"]


PREFIX = "importing `acme.plugins:register`"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("print('hello')", ("warning", "import-output", f"{PREFIX} prints")),
        ("import os; os.system('echo hello')", ("warning", "import-output", f"{PREFIX} prints")),
        ("import sys; sys.stderr.write('hello')",
         ("warning", "import-output", f"{PREFIX} prints")),
        ("import sys; sys.path.insert(0, '/opt/acme')",
         ("warning", "import-side-effect", f"{PREFIX} changes `sys.path`: `/opt/acme`")),
        ("import sys; sys.meta_path.insert(0, None); sys.meta_path.append(None)",
         ("warning", "import-side-effect", f"{PREFIX} changes `sys.meta_path`: `NoneType`")),
        ("import os; os.environ['ACME'] = '1'",
         ("warning", "import-side-effect", f"{PREFIX} changes environment variables: `ACME`")),
        ("import os; os.chdir('/')",
         ("warning", "import-side-effect", f"{PREFIX} changes the working directory to `/`")),
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
         ("warning", "import-side-effect", f"{PREFIX} sets handlers of signals: `SIGTERM`")),
        ("import threading, time\n"
         "threading.Thread(target=time.sleep, args=(60,), name='poll', daemon=True).start()",
         ("warning", "import-side-effect", f"{PREFIX} starts threads: `poll`")),
        ("import time; time.sleep(1.1)",
         ("warning", "costly-import",
          f"{PREFIX} is expensive, and a device pays for it at every start")),
        ("b'x' * (250 << 20)",
         ("warning", "costly-import",
          f"{PREFIX} is expensive, and a device pays for it at every start")),
    ],
)  # fmt: skip
def test_what_an_import_should_not_do(
    tmp_path: Path, line: str, expected: tuple[str, str, str]
) -> None:
    assert (
        _told(_run(_subject(tmp_path, f"{line}\n{SOUND}", manifest=MANIFEST_TEXT)))[0] == expected
    )


def test_the_whole_host_is_the_host_s_doing_only_where_the_host_imports_it(tmp_path: Path) -> None:
    (tmp_path / "inference").mkdir()
    (tmp_path / "inference" / "__init__.py").write_text("")
    report = _run(_subject(tmp_path, f"import inference\n{SOUND}", manifest=MANIFEST_TEXT))
    assert _told(report) == [("warning", "import-side-effect", f"{PREFIX} imports `inference`")]


FAILED = "`patches:blur` on the platform `rknn` failed: "
UNSURE = "`patches:blur` on the platform `rknn` doesn't return whether it works: "


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return False", ("warning", "activation-failed", FAILED + "`activate` returned False")),
        ("return 1", ("error", "not-a-bool", UNSURE + "`activate` returned a `int`")),
        ("pass", ("error", "not-a-bool", UNSURE + "`activate` returned a `NoneType`")),
        ("raise ValueError('no camera')",
         ("error", "activation-failed",
          FAILED + "`activate` raised ValueError: no camera (acme/plugins.py:3)")),
        ("raise SystemExit(2)",
         ("error", "activation-failed",
          FAILED + "`activate` called `sys.exit(2)` (acme/plugins.py:3)")),
        ("import os; os._exit(4)",
         ("error", "activation-failed",
          FAILED + "`activate` exited with code 4")),
        ("import os; os.kill(os.getpid(), 9)",
         ("error", "activation-failed", FAILED + "`activate` was killed by SIGKILL")),
        ("import time; time.sleep(600)",
         ("error", "activation-failed", FAILED + "`activate` took longer than 1 s")),
    ],
)  # fmt: skip
def test_what_activate_answers(tmp_path: Path, body: str, expected: tuple[str, str, str]) -> None:
    source = f"{IMPORT}def activate(config):\n    {body}\n{SPEC}"
    assert _told(_run(_subject(tmp_path, source, manifest=MANIFEST_TEXT), time_limit=1)) == [
        expected
    ]


@pytest.mark.parametrize(
    ("source", "expected", "hint"),
    [
        ("raise ImportError('no wheel')",
         "importing `acme.plugins` raised ImportError: no wheel (acme/plugins.py:1)",
         "make it work with nothing installed"),
        ("import os; os._exit(0)", "importing `acme.plugins` ended before it answered",
         "don't end the process"),
        ("import os; os._exit(7)", "importing `acme.plugins` exited with code 7",
         "don't end the process"),
        ("import os; os.kill(os.getpid(), 11)", "importing `acme.plugins` was killed by SIGSEGV",
         "don't end the process"),
        ("import time; time.sleep(600)", "importing `acme.plugins` took longer than 1 s",
         "move the work out of the module's top level into `activate`"),
    ],
)  # fmt: skip
def test_an_import_that_fails(tmp_path: Path, source: str, expected: str, hint: str) -> None:
    checked = _subject(tmp_path, f"{source}\n{SOUND}", manifest=MANIFEST_TEXT)
    report = _run(checked, time_limit=1)
    assert _told(report) == [
        ("error", "import-failed", f"`acme.plugins:register` can't be imported: {expected}")
    ]
    assert (report.findings[0].hint or "").startswith(hint)


def test_a_required_variable_that_is_unset_leaves_the_activation_untried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = MANIFEST_TEXT + (
        "    env:\n      ACME_KEY: {required: true, description: A key}\n"
        "      ACME_HINT: {required: false, description: A hint}\n"
    )
    monkeypatch.delenv("ACME_KEY", raising=False)
    checked = _subject(tmp_path, SOUND, manifest=manifest)
    report = _run(checked)
    assert _told(report) == [
        ("warning", "env-missing",
         "`patches:blur` needs the environment variable `ACME_KEY`, so its activation wasn't "
         "tried: a start would refuse it")
    ]  # fmt: skip
    assert report.measurements is not None
    assert report.measurements.activations == ()
    monkeypatch.setenv("ACME_KEY", "value")
    report = _run(checked)
    assert report.findings == ()
    assert report.measurements is not None
    assert [item.result for item in report.measurements.activations] == ["true"]


def test_a_manifest_that_nothing_can_compile_is_corrected_by_hand(tmp_path: Path) -> None:
    source = SOUND.replace("'Blur all faces'", "str('Blur nothing')")
    report = _run(_subject(tmp_path, source, manifest=MANIFEST_TEXT))
    assert [finding.code for finding in report.findings] == ["manifest-stale", "spec-unreadable"]
    assert report.findings[0].hint == f"correct {MANIFEST}:3:5 by hand"
    source = SOUND.replace("activate=", "min_core_version=str('four'), activate=")
    report = _run(_subject(tmp_path, source, manifest=MANIFEST_TEXT))
    assert [finding.code for finding in report.findings] == [
        "invalid-requirement", "spec-unreadable",
    ]  # fmt: skip


def test_supports_has_to_answer_with_a_bool(tmp_path: Path) -> None:
    source = (
        "from coral_inference.runtime.backends import BackendAdapter\n"
        "def supports(platform, config):\n    return platform == 'rknn' or None\n"
        "def activate(platform, config):\n    return True\n"
        "register = BackendAdapter(name='blur', supports=supports, activate=activate)\n"
    )
    report = _run(_subject(tmp_path, source, group="backends"))
    assert _told(report) == [
        ("error", "not-a-bool",
         "`backends:blur` on the platform `onnx` doesn't return whether it works: `supports` "
         "returned a `NoneType`")
    ]  # fmt: skip
    assert report.measurements is not None
    assert [(item.supported, item.result) for item in report.measurements.activations] == [
        (None, "failed"),
        (True, "true"),
    ]


def test_an_async_supports_never_ran(tmp_path: Path) -> None:
    source = (
        "from coral_inference.runtime.backends import BackendAdapter\n"
        "async def supports(platform, config):\n    return False\n"
        "def activate(platform, config):\n    return True\n"
        "register = BackendAdapter(name='blur', supports=supports, activate=activate)\n"
    )
    report = _run(_subject(tmp_path, source, group="backends"))
    assert _told(report) == [
        ("error", "not-a-bool",
         f"`backends:blur` on the platform `{platform}` doesn't return whether it works: "
         "`supports` returned a `coroutine`")
        for platform in ("onnx", "rknn")
    ]  # fmt: skip


def test_the_sample_reaches_the_plugin_above_the_manifest(tmp_path: Path) -> None:
    sample = tmp_path / "runtime.yaml"
    sample.write_text("services: {acme: {url: there}}\npatches: {camera: false}\n")
    manifest = MANIFEST_TEXT + (
        "    default_config_overrides:\n"
        "      services: {acme: {url: here, key: own}}\n"
        "      patches: {camera: true, sink: false}\n"
    )
    source = (
        f"{IMPORT}def activate(config):\n"
        "    assert config.services == {'acme': {'url': 'there', 'key': 'own'}}, config.services\n"
        "    assert not config.enable_camera_patch\n"
        "    assert not config.enable_sink_patch\n"
        "    return config.platform == 'rknn'\n"
        f"{SPEC}"
    )
    checked = _subject(tmp_path, source, manifest=manifest)
    report = _run(replace(checked, samples=(load_sample(str(sample)),)))
    assert report.findings == ()
    assert report.measurements is not None
    assert report.measurements.configuration == str(sample)


def test_what_the_source_does_not_say_the_live_spec_does(tmp_path: Path) -> None:
    source = (
        "from coral_inference.runtime.backends import BackendAdapter\n"
        "register = BackendAdapter(str('blur'), print, print)\n"
    )
    report = _run(_subject(tmp_path, source))
    assert report.plugins == ("patches:blur",)
    assert [code for _, code, _ in _told(report)] == [
        "not-a-bool", "not-a-bool", "wrong-kind", "spec-unreadable",
    ]  # fmt: skip


def test_a_live_spec_that_is_malformed(tmp_path: Path) -> None:
    source = f"{IMPORT}register = PluginSpec(str('blur'), print, 1)\n"
    assert ("error", "spec-malformed",
            "`acme.plugins:register` yields an invalid spec: `description` isn't a string: 1"
            ) in _told(_run(_subject(tmp_path, source)))  # fmt: skip


def test_a_live_spec_that_differs_from_its_source(tmp_path: Path) -> None:
    checked = _subject(tmp_path, SOUND)
    learnt = learn(checked)
    (tmp_path / HERE).write_text(SOUND.replace("Blur all faces", "Blur nothing"))
    measured = _run(checked).measurements
    assert measured is not None
    (finding,) = check_run(learnt, measured, {})
    assert (finding.code, finding.subject) == ("spec-unstable", "patches:blur")
    assert "'Blur all faces'" in (finding.expected or "")
    assert "'Blur nothing'" in (finding.found or "")


def test_an_import_without_an_answer_has_no_measured_values(tmp_path: Path) -> None:
    measured = _run(_subject(tmp_path, "x = 1")).measurements
    assert measured is not None
    (imported,) = measured.imports
    assert imported.error is not None
    assert imported.import_ms is None


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="it looks at the processes there are")
def test_no_process_is_left_behind(tmp_path: Path) -> None:
    mark = f"coral-check-left-behind-{os.getpid()}"
    source = f"import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 600; : {mark}'])\n{SOUND}"
    _run(_subject(tmp_path, source))
    deadline = time.monotonic() + 5
    while is_left := _is_running(mark.encode()):
        # What is killed is there until the system has cleared it away.
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert not is_left


def _is_running(mark: bytes) -> bool:
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in Path("/proc", number, "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize(
    ("bounds", "output"),
    [([1, 3], "bc"), ([3, 1], ""), ([1], ""), ([1, 2, 3], ""), (["a", 2], ""), (None, "")],
)
def test_forged_bounds_of_the_output_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounds: object, output: str
) -> None:
    answer = json.dumps({"error": "is forged", "printed": bounds}).encode()
    end = ChildEnd(ending=None, exit_code=0, output=b"abcd", errors=b"", answer=answer)
    monkeypatch.setattr(run, "run_trial", lambda *_, **__: end)
    report = _run(_subject(tmp_path, SOUND))
    assert report.measurements is not None
    (imported,) = report.measurements.imports
    assert (imported.error, imported.output) == ("is forged", output)
