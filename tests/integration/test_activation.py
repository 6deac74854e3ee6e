"""What a locked start runs, in which order, and what it says of plugins that fail."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device, Outcome

HOSTS = ("coral-inference==0.0.5.dev1", "inference==0.58.0")
OLD_CORE = ("coral-inference==0.0.4", "inference==0.58.0")


def _outcomes(outcome: Outcome) -> dict[str, tuple[str, str | None]]:
    return {
        plugin["id"]: (plugin["status"], plugin["reason"]) for plugin in outcome.json()["plugins"]
    }


def test_the_documented_plugin_works_without_any_host(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0")
    machine.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    report = machine.coral("init", "--locked").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:camera_stabilizer": True}
    assert [(f["code"], f["severity"], f["expected"]) for f in report["findings"]] == [
        ("host-unverified", "warning", "coral-inference 0.0.4"),
        ("host-unverified", "warning", "inference 0.58.0"),
    ]
    live = machine.coral("init", "--set", "patches.camera_stabilizer=true").require(1)
    assert "error[host-unknown]: `patches:camera_stabilizer` of `my-package` 1.0.0 requires" in (
        live.stderr
    )


@pytest.mark.parametrize("core", ["0.0.4", "0.0.5.dev1"])
def test_the_documented_plugin_works_with_the_real_spec_class(
    device: MakeDevice, core: str
) -> None:
    machine = device("my-package==1.0.0", f"coral-inference=={core}", "inference==0.58.0")
    machine.locked_once()
    report = machine.coral("init", "--locked").require(0).json()
    assert report["state"] == {
        "platform": "onnx",
        "plugins_loaded": {"patches:camera_stabilizer": True},
        "patches_enabled": {
            "buffer_sink": True,
            "camera": True,
            "metric_sink": True,
            "plugins": True,
            "stream_manager": True,
            "video_sink": True,
            "webrtc": True,
        },
        "backends_enabled": ["onnx"],
    }


def test_ours_is_served_where_an_old_core_has_no_plugin_module(device: MakeDevice) -> None:
    machine = device("acme-vision", "coral-inference==0.0.3", "inference==0.58.0")
    excluded = json.loads(machine.locked_once())["excluded"]
    assert {entry["reason"] for entry in excluded.values()} == {
        "requires coral-inference >= 0.0.4, found 0.0.3"
    }
    machine.install("acme-object")
    machine.locked()
    report = machine.coral("init", "--locked").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:frame_counter": True}


FAILURES = {
    "fails-false": "`activate` returned False, not True",
    "fails-raise": "RuntimeError: sensor not calibrated (",
    "fails-import": "ModuleNotFoundError: No module named 'module_that_is_not_there' (",
    "fails-exit-import": "it called `sys.exit(3)` (",
    "fails-exit-activate": "it called `sys.exit(3)` (",
}
FAILING = {name: f"patches:{name.replace('-', '_')}" for name in FAILURES}


def test_plugins_that_fail_fail_the_start_and_the_others_go_on(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "after-plugin", *FAILURES, *HOSTS)
    machine.locked_once()
    outcome = machine.coral("init", "--locked").require(1)
    for name, identifier in FAILING.items():
        status, reason = _outcomes(outcome)[identifier]
        assert status == "failed"
        assert str(reason).startswith(FAILURES[name])
        assert f"error[activation-failed]: `{identifier}` of `{name}` failed: {reason}" in (
            outcome.stderr
        )
    assert outcome.json()["state"]["plugins_loaded"] == {
        "patches:camera_stabilizer": True,
        **dict.fromkeys(FAILING.values(), False),
        "patches:tone_mapping": True,
    }


def test_optional_plugins_that_fail_are_warnings(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "after-plugin", *FAILURES, *HOSTS)
    optional = (f"{plugin.replace(':', '.')}.optional=true" for plugin in FAILING.values())
    machine.locked_once(*(word for setting in optional for word in ("--set", setting)))
    outcome = machine.coral("init", "--locked").require(0)
    assert outcome.json()["outcome"] == "started"
    assert outcome.json()["state"]["plugins_loaded"] == {
        "patches:camera_stabilizer": True,
        **dict.fromkeys(FAILING.values(), False),
        "patches:tone_mapping": True,
    }
    for name, identifier in FAILING.items():
        assert f"warning[activation-failed]: `{identifier}` of `{name}` failed: " in (
            outcome.stderr
        )


def test_stdout_belongs_to_the_report_whatever_plugins_print(device: MakeDevice) -> None:
    machine = device("prints-stdout", *HOSTS)
    machine.locked_once()
    outcome = machine.coral("init", "--locked").require(0)
    assert outcome.json()["state"]["plugins_loaded"] == {"patches:prints_stdout": True}
    assert len(outcome.stderr.splitlines()) > 2


def test_backends_are_activated_only_where_they_support_the_platform(device: MakeDevice) -> None:
    machine = device("rknn-backend", "generic-backend", "platform-workflow", *HOSTS)
    machine.locked_once("--set", "platform=rknn")
    report = machine.coral("init", "--locked").require(0).json()
    assert report["state"]["backends_enabled"] == ["rknn", "rknn_npu"]
    assert report["state"]["platform"] == "rknn"
    assert report["state"]["plugins_loaded"] == {"workflows:platform_block": True}
    assert {p["id"]: p["status"] for p in report["plugins"]} == {
        "backends:generic_cpu": "unsupported",
        "backends:rknn_npu": "activated",
        "workflows:platform_block": "activated",
    }


def test_order_is_group_then_after_then_id(device: MakeDevice) -> None:
    machine = device(
        "acme-vision", "after-plugin", "generic-backend", "acme-workflows", "my-package", *HOSTS
    )
    machine.write(
        "runtime.yaml",
        'patches:\n  camera_stabilizer: {after: ["patches:tone_mapping"]}\n'
        '  fog_removal: {after: ["patches:night_vision"]}\n',
    )
    machine.locked_once("-c", "runtime.yaml")
    report = machine.coral("init", "--locked").require(0).json()
    assert [plugin["id"] for plugin in report["plugins"]] == [
        "backends:generic_cpu",
        "patches:glare_filter",
        "patches:night_vision",
        "patches:fog_removal",
        "patches:tone_mapping",
        "patches:camera_stabilizer",
        "workflows:custom_block",
        "workflows:rknn_block",
    ]


def test_a_spec_that_differs_from_the_lock_is_refused(device: MakeDevice) -> None:
    machine = device("dynamic-spec", *HOSTS)
    text = machine.locked_once()
    machine.lock_path.write_text(text.replace("under a name made at run time", "by and by"))
    outcome = machine.coral("init", "--locked").require(1)
    assert _outcomes(outcome) == {
        "patches:frame_compositor": (
            "refused",
            "its live spec says description 'Compose frames, under a name made at run time', "
            "the lock says 'Compose frames, by and by'",
        )
    }
    assert "error[spec-drift]: `patches:frame_compositor`" in outcome.stderr


def test_services_reach_plugins_and_never_the_lock(device: MakeDevice) -> None:
    machine = device("env-sensitive", *HOSTS)
    machine.write(
        "runtime.yaml", "services: {webrtc: {stun_servers: ['stun:stun.example.org:3478']}}\n"
    )
    assert "stun" not in machine.locked_once("-c", "runtime.yaml")
    machine.write(
        "show.py", "from env_sensitive import coral_plugins as c\nprint(c.SETTINGS['webrtc'])\n"
    )
    outcome = machine.coral("run", "--locked", "-c", "runtime.yaml", "--", "show.py").require(0)
    assert outcome.stdout == "{'stun_servers': ['stun:stun.example.org:3478']}\n"


CONTRADICTIONS: list[tuple[list[str], dict[str, str], str]] = [
    (["--set", "platform=rknn"], {}, "the requested `platform` isn't the locked one"),
    ([], {"CORAL_RUNTIME_PLATFORM": "rknn"}, "the requested `platform` isn't the locked one"),
    (
        ["--set", "patches.camera_stabilizer=false"],
        {},
        "`patches:camera_stabilizer` is switched off, and the lock holds it",
    ),
    (
        [],
        {"CORAL_ENABLE_PLUGINS": "0"},
        "the host loads no patches: `patches.plugins` is false, and the lock holds 1",
    ),
    (
        ["--set", "patches.other=true"],
        {},
        "`patches:other` is switched on, and the lock doesn't hold it",
    ),
    (
        ["--set", "patches.camera_stabilizer.optional=true"],
        {},
        "the requested `optional` of `patches:camera_stabilizer` isn't the locked one",
    ),
    (
        ["--set", "host.core='0.0.3'"],
        {},
        "the requested `host.core` isn't the locked one",
    ),
]


@pytest.mark.parametrize(("words", "env", "summary"), CONTRADICTIONS)
def test_what_contradicts_the_lock_is_an_error(
    device: MakeDevice, words: list[str], env: dict[str, str], summary: str
) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    outcome = machine.coral("init", "--locked", *words, env=env).require(1)
    assert [(f["code"], f["summary"]) for f in outcome.json()["findings"]] == [
        ("contradicts-lock", summary)
    ]
    if env:
        machine.coral("init", "--locked", "--no-env", env=env).require(0)


def test_asking_again_for_what_is_locked_does_not_contradict_it(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "after-plugin", *HOSTS)
    machine.write(
        "runtime.yaml",
        'patches: {camera_stabilizer: {optional: true, after: ["patches:tone_mapping"]}}\n',
    )
    machine.locked_once("-c", "runtime.yaml")
    machine.coral("init", "--locked", "-c", "runtime.yaml").require(0)
    words = ("--set", "patches.camera_stabilizer=true", "--set", "host.core=0.0.5.dev1")
    machine.coral("init", "--locked", *words).require(0)


@pytest.mark.parametrize(
    ("setting", "field", "expected", "found"),
    [
        ("optional=false", "optional", "true", "false"),
        ("after=[]", "after", "patches:tone_mapping", "none"),
        ("after=['patches:other']", "after", "patches:tone_mapping", "patches:other"),
    ],
)
def test_taking_back_what_is_locked_contradicts_it(
    device: MakeDevice, setting: str, field: str, expected: str, found: str
) -> None:
    machine = device("my-package==1.0.0", "after-plugin", *HOSTS)
    descriptor = machine.write(
        "descriptor.yaml",
        'patches: {camera_stabilizer: {optional: true, after: ["patches:tone_mapping"]}}\n',
    )
    machine.locked_once("-c", descriptor)
    words = ("--set", f"patches.camera_stabilizer.{setting}")
    for config in ((), ("-c", str(descriptor))):
        refused = machine.coral("init", "--locked", *config, *words).require(1)
        (finding,) = refused.json()["findings"]
        assert (finding["code"], finding["summary"]) == (
            "contradicts-lock",
            f"the requested `{field}` of `patches:camera_stabilizer` isn't the locked one",
        )
        assert (finding["expected"], finding["found"], finding["where"]) == (
            expected,
            found,
            f"--set patches.camera_stabilizer.{setting}",
        )


def test_saying_what_holds_anyway_does_not_contradict_the_lock(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    for setting in ("optional=false", "after=[]"):
        words = ("--set", f"patches.camera_stabilizer.{setting}")
        machine.coral("lock", "--check", *words).require(0)
        machine.coral("init", "--locked", *words).require(0)


def test_the_versions_of_hosts_are_compared_with_the_lock(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *OLD_CORE)
    machine.locked_once()
    for spelling in ("{}", "v{}", "{}.0", "0!{}"):
        core, inference = spelling.format("0.0.4"), spelling.format("0.58.0")
        flags = (f"--core-version={core}", f"--inference-version={inference}")
        machine.coral("init", "--locked", *flags).require(0)
        settings = ("--set", f"host.core={core}", "--set", f"host.inference={inference}")
        machine.coral("init", "--locked", *settings).require(0)
    for core, inference in (("0.0.3", "0.0.3"), ("0.0.4rc1", "0.58.0rc1")):
        words = ("--core-version", core, "--set", f"host.inference={inference}")
        assert _contradicted_hosts(machine, *words) == [
            ("host.core", "0.0.4", f"--core-version {core}"),
            ("host.inference", "0.58.0", f"--set host.inference={inference}"),
        ]
        words = ("--set", f"host.core={core}", "--inference-version", inference)
        assert _contradicted_hosts(machine, *words) == [
            ("host.core", "0.0.4", f"--set host.core={core}"),
            ("host.inference", "0.58.0", f"--inference-version {inference}"),
        ]


def _contradicted_hosts(machine: Device, *words: str) -> list[tuple[str, str, str]]:
    findings = machine.coral("init", "--locked", *words).require(1).json()["findings"]
    assert {finding["code"] for finding in findings} == {"contradicts-lock"}
    return [(each["subject"], each["expected"], each["where"]) for each in findings]


def test_a_flag_goes_before_the_descriptor_s_host(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *OLD_CORE)
    machine.locked_once()
    words = ("init", "--locked", "--set", "host.core=0.0.3")
    machine.coral(*words).require(1)
    machine.coral(*words, "--core-version", "0.0.4").require(0)


def test_a_start_is_told_the_versions_of_hosts(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0")
    refused = machine.coral("init").require(1)
    assert "  hint: pass its version with `--core-version V`" in refused.stderr
    told = ("--core-version=0.0.4", "--inference-version=0.58.0")
    for words in (("init", *told), ("lock", *told), ("init", "--locked", *told)):
        machine.coral(*words).require(0)
    machine.write("app.py", "print('ran')\n")
    assert machine.coral("run", "--locked", *told, "--", "app.py").require(0).stdout == "ran\n"
    for program in ((), ("--", "app.py")):
        words = ("run" if program else "init", "--locked", "--core-version", "latest", *program)
        assert machine.coral(*words).require(78 if program else 2).stderr == (
            "error: `host.core` has a wrong value\n"
            "  expected: a version (PEP 440) in quotes, like '0.0.4'\n"
            '  found: "latest"\n'
            "  where: --core-version latest\n"
        )


def test_a_misspelt_variable_is_pointed_out(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    outcome = machine.coral("init", "--locked", env={"CORAL_ENABLE_CAMRA": "0"}).require(0)
    assert "warning: unknown variable `CORAL_ENABLE_CAMRA`" in outcome.stderr


def test_switches_of_the_host_do_not_contradict_the_lock(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    outcome = machine.coral("init", "--locked", "--set", "patches.camera=false").require(0)
    assert outcome.json()["state"]["patches_enabled"]["camera"] is False


def test_a_live_start_resolves_and_activates(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "future-core", "acme-object", *HOSTS)
    report = machine.coral("init", "--set", "patches.frame_counter=false").require(0).json()
    assert report["locked"] is False
    assert report["state"]["plugins_loaded"] == {"patches:camera_stabilizer": True}


def test_the_report_is_written_where_asked(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    outcome = machine.coral("init", "--locked", "--report", "report.json").require(0)
    assert (machine.directory / "report.json").read_text() == outcome.stdout


class TestRun:
    @pytest.fixture
    def machine(self, device: MakeDevice) -> Device:
        made = device("my-package==1.0.0", *HOSTS)
        made.locked_once()
        return made

    def _show(self, machine: Device) -> Any:
        machine.write(
            "show.py",
            "import sys\nimport coral_inference\n"
            "print(__name__, sys.argv, sys.path[0], 'my_package' in sys.modules)\n"
            "sys.exit(7)\n",
        )

    def test_a_script_runs_in_the_same_process(self, machine: Device) -> None:
        self._show(machine)
        outcome = machine.coral("run", "--locked", "--", "show.py", "--port", "9").require(7)
        assert outcome.stdout == (f"__main__ ['show.py', '--port', '9'] {machine.directory} True\n")

    def test_a_module_runs_in_the_same_process(self, machine: Device) -> None:
        self._show(machine)
        outcome = machine.coral("run", "--locked", "--", "-m", "show", "x").require(7)
        assert outcome.stdout == (
            f"__main__ ['{machine.directory}/show.py', 'x'] {machine.directory} True\n"
        )

    def test_a_refused_start_runs_no_program(self, machine: Device) -> None:
        self._show(machine)
        machine.install("acme-object")
        outcome = machine.coral("run", "--locked", "--", "show.py").require(78)
        assert outcome.stdout == ""

    def test_the_program_s_own_traceback_is_its_own(self, machine: Device) -> None:
        machine.write("broken.py", "raise ValueError('mine')\n")
        outcome = machine.coral("run", "--locked", "--", "broken.py")
        assert outcome.code == 1
        assert outcome.stderr.endswith("ValueError: mine\n")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "error: `run` always starts from a lock\n"),
            (["--locked"], "error: no program to run\n"),
            (
                ["--locked", "app.py"],
                "error: unexpected argument `app.py`: the program goes after `--`\n",
            ),
        ],
    )
    def test_bad_usage(self, machine: Device, words: list[str], message: str) -> None:
        assert message in machine.coral("run", *words).require(78).stderr


def test_a_locked_start_imports_little(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *OLD_CORE)
    machine.locked_once()
    before = set(
        machine.run("python", "-c", "import sys; print(*sys.modules)").require(0).stdout.split()
    )
    # The real spec class is a dataclass, so its own imports are taken away from the sum.
    machine.write("show.py", "import sys\nprint(*sys.modules)\n")
    outcome = machine.coral("run", "--locked", "--", "show.py").require(0)
    imported = set(outcome.stdout.split()) - before
    foreign = {"click", "yaml", "jsonschema", "tomlkit", "importlib.metadata", "packaging", "json"}
    assert not imported & foreign


def test_bytecode_is_found_by_its_source_whatever_the_lock(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    caches = []
    for number in range(2):
        machine.locked_once("--set", f"platform=p{number}")
        machine.coral("init", "--locked").require(0)
        caches.append(
            sorted(path.name for path in (machine.state / "coral-lock" / "bytecode").iterdir())
        )
    assert caches[0] == caches[1]
    source = (machine.site_packages / "my_package" / "coral_plugins.py").read_bytes()
    assert any(name.startswith(hashlib.sha256(source).hexdigest()) for name in caches[0])


def test_the_user_s_settings_of_bytecode_stay(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    show = machine.write(
        "show.py",
        "import sys, my_package\nprint(sys.pycache_prefix, sys.dont_write_bytecode)\n",
    )
    outcome = machine.coral("run", "--locked", "--", "python", show).require(0)
    assert outcome.stdout.splitlines()[-1] == "None False"
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/nowhere"}
    outcome = machine.coral("run", "--locked", "--", "python", show, env=env).require(0)
    assert outcome.stdout.splitlines()[-1] == "/nowhere True"


def test_a_cache_that_others_can_write_to_is_refused(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    machine.coral("init", "--locked").require(0)
    (machine.state / "coral-lock" / "bytecode").chmod(0o777)
    outcome = machine.coral("init", "--locked").require(2)
    assert "error: others can write to the bytecode cache, so it can't be trusted" in (
        outcome.stderr
    )
    assert outcome.stdout == ""


def test_a_state_directory_that_cannot_be_used(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    place = str(machine.write("a-file", ""))
    outcome = machine.coral("init", "--locked", "--state-dir", place).require(2)
    assert "error: the state directory can't hold a bytecode cache" in outcome.stderr
    implied = machine.coral("init", "--locked", env={"XDG_STATE_HOME": place}).require(0)
    assert "No bytecode cache" in "".join(implied.json()["log_messages"])


@pytest.mark.parametrize("option", [["--lock", "coral.lock"], ["--integrity", "full"]])
def test_an_option_of_a_locked_start_needs_locked(device: MakeDevice, option: list[str]) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    outcome = machine.coral("init", *option).require(2)
    assert f"error: `{option[0]}` needs `--locked`: without it, no lock is read" in outcome.stderr


def test_an_earlier_report_does_not_outlive_a_failed_start(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    machine.coral("init", "--locked", "--report", "report.json").require(0)
    machine.lock_path.write_text("")
    machine.coral("init", "--locked", "--report", "report.json").require(2)
    report = json.loads((machine.directory / "report.json").read_text())
    assert (report["outcome"], report["findings"][0]["summary"]) == (
        "refused",
        "the lock is empty",
    )


@pytest.mark.parametrize("start", ["init", "init --locked"])
def test_a_report_that_nobody_could_read_is_an_error(device: MakeDevice, start: str) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    script = machine.write("start.sh", f'"$1" {start} >&-\n')
    finished = subprocess.run(
        ("sh", script, machine.environment.bin / "coral-runtime"),
        cwd=machine.directory,
        env=machine.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (
        2,
        "error: standard output is closed, so the report would be lost\n"
        "  hint: write it to a file with `--report FILE`, or redirect standard output\n",
    )


def test_a_closed_stdout_does_not_keep_a_device_from_starting(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    machine.write("show.py", "import sys\nprint('ran', file=sys.stderr)\n")
    for words in ("init --locked --report r.json", "run --locked --eager -- show.py"):
        script = machine.write("start.sh", f'"$1" {words} >&-\n')
        finished = subprocess.run(
            ("sh", script, machine.environment.bin / "coral-runtime"),
            cwd=machine.directory,
            env=machine.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert "started on onnx" in finished.stderr


def test_a_full_disk_behind_stdout_is_no_internal_error(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked_once()
    for words in ("plugins list", "verify --output-format json", "init --locked"):
        script = machine.write("start.sh", f'"$1" {words} > /dev/full\n')
        finished = subprocess.run(
            ("sh", script, machine.environment.bin / "coral-runtime"),
            cwd=machine.directory,
            env=machine.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 2
        assert "No space left on device" in finished.stderr
        assert "internal error" not in finished.stderr


def test_the_report_says_which_lock_and_which_versions(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    text = machine.locked_once()
    report = machine.coral("init", "--locked").require(0).json()
    assert report["lock"] == {
        "path": "coral.lock",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "integrity": "imports",
        "target": None,
    }
    (plugin,) = report["plugins"]
    assert (plugin["distribution"], plugin["version"]) == ("my-package", "1.0.0")


def test_an_async_activate_never_ran(device: MakeDevice) -> None:
    machine = device("acme-object", *HOSTS)
    source = machine.site_packages / "acme_object" / "__init__.py"
    text = source.read_text()
    source.write_text(text.replace("def ", "async def ", 1))
    outcome = machine.coral("init").require(1)
    assert "`activate` is async, so it never ran" in outcome.stderr


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("def supports", "async def supports", "`supports` is async, so it never ran"),
        ("return platform", 'return "no" or platform',
         "`supports` returned 'no', not True or False"),
    ],
)  # fmt: skip
def test_a_supports_that_answers_with_no_bool_fails(
    device: MakeDevice, old: str, new: str, reason: str
) -> None:
    machine = device("rknn-backend", *HOSTS)
    source = machine.site_packages / "rknn_backend" / "coral_backends.py"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    outcome = machine.coral("init").require(1)
    assert _outcomes(outcome) == {"backends:rknn_npu": ("failed", reason)}
    assert "was never awaited" not in outcome.stderr


def test_an_optional_plugin_starts_without_what_it_would_come_after(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.write(
        "runtime.yaml",
        "patches: {camera_stabilizer: {optional: true, after: ['patches:gone']}}\n",
    )
    machine.locked_once("-c", "runtime.yaml")
    report = machine.coral("init", "--locked", "-c", "runtime.yaml").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:camera_stabilizer": True}
    machine.write("runtime.yaml", "patches: {camera_stabilizer: {after: ['patches:gone']}}\n")
    outcome = machine.coral("init", "--locked", "-c", "runtime.yaml").require(1)
    assert "error[contradicts-lock]" in outcome.stderr


def test_a_circle_is_refused_without_a_lock_as_well(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "acme-object", *HOSTS)
    machine.write(
        "runtime.yaml",
        "patches:\n  frame_counter: {after: ['patches:camera_stabilizer']}\n"
        "  camera_stabilizer: {after: ['patches:frame_counter']}\n",
    )
    outcome = machine.coral("init", "-c", "runtime.yaml").require(1)
    assert outcome.json()["outcome"] == "refused"
    assert "error[conflict]: plugins wait for each other: " in outcome.stderr
    assert "  where: runtime.yaml:3:" in outcome.stderr
