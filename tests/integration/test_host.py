"""The host is brought up by descriptor and lock, once, and its own context says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device, Outcome
from tests.support.handmade_wheels import make_wheel
from tests.support.wheels import FIXTURES

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")
PLUGINS = ("my-package==1.0.0", "rknn-backend", "acme-object", "env-sensitive", "prints-stdout")
DESCRIPTOR = """\
platform: rknn
patches: {camera: false, webrtc: false, sink: false, frame_counter: false}
services: {webrtc: {stun_servers: ['stun:stun.example.org:3478']}}
"""
ASK = """\
import json, os, sys
import coral_inference
from coral_inference.runtime import get_current_context, patches, start
context = get_current_context()
print(json.dumps({
    "platform": context.state.platform,
    "patches": context.state.patches_enabled,
    "backends": context.state.backends_enabled,
    "plugins": context.state.plugins_loaded,
    "services": context.config.services,
    "starts": start.STARTS,
    "applied": dict(patches.APPLIED),
    "blocks": os.environ.get("WORKFLOWS_PLUGINS"),
    "imported": sorted({"my_package", "acme_object", "rknn_backend"} & set(sys.modules)),
}))
"""
EXPECTED = {
    "platform": "rknn",
    "patches": {
        "camera": False,
        "buffer_sink": False,
        "video_sink": False,
        "metric_sink": False,
        "stream_manager": True,
        "webrtc": False,
        "plugins": True,
    },
    "backends": ["rknn", "rknn_npu"],
    "plugins": {
        "patches:camera_stabilizer": True,
        "patches:prints_stdout": True,
        "patches:service_reader": True,
    },
    "services": {"webrtc": {"stun_servers": ["stun:stun.example.org:3478"]}},
    "starts": 1,
    "applied": {"stream_manager": 1, "plugins": 1},
    "blocks": "coral_inference.plugins",
    "imported": ["my_package", "rknn_backend"],
}


def _make_machine(device: MakeDevice, *plugins: str, descriptor: str = DESCRIPTOR) -> Device:
    machine = device(*plugins, *HOSTS)
    machine.write("runtime.yaml", descriptor)
    machine.locked_once("-c", "runtime.yaml")
    machine.write("ask.py", ASK)
    return machine


def _answer(outcome: Outcome) -> Any:
    return json.loads(outcome.stdout.splitlines()[-1])


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return _make_machine(device, *PLUGINS)


@pytest.mark.parametrize("more", [(), ("--eager",)])
def test_the_host_s_own_context_is_what_lock_and_descriptor_say(
    machine: Device, more: tuple[str, ...]
) -> None:
    words = ("run", "--locked", *more, "-c", "runtime.yaml", "--report", "report.json")
    outcome = machine.coral(*words, "--", "ask.py").require(0)
    assert _answer(outcome) == EXPECTED
    report = json.loads((machine.directory / "report.json").read_text())
    assert report["outcome"] == "started"
    assert report["state"] == {
        "platform": "rknn",
        "plugins_loaded": EXPECTED["plugins"],
        "patches_enabled": EXPECTED["patches"],
        "backends_enabled": EXPECTED["backends"],
    }
    assert {plugin["id"]: plugin["status"] for plugin in report["plugins"]} == {
        "backends:rknn_npu": "activated",
        "patches:camera_stabilizer": "activated",
        "patches:prints_stdout": "activated",
        "patches:service_reader": "activated",
    }
    assert all(plugin["duration_us"] > 0 for plugin in report["plugins"])
    assert "patch camera: off" in report["log_messages"]
    assert outcome.stderr.endswith("started on rknn: 4 of 4 plugins active\n")


def test_init_brings_it_up_at_once(machine: Device) -> None:
    report = machine.coral("init", "--locked", "-c", "runtime.yaml").require(0).json()
    assert report["state"]["patches_enabled"] == EXPECTED["patches"]
    assert report["state"]["backends_enabled"] == EXPECTED["backends"]
    live = machine.coral("init", "-c", "runtime.yaml").require(0).json()
    assert live["state"] == report["state"]
    assert live["locked"] is False


def test_the_python_api_brings_it_up(machine: Device) -> None:
    machine.write(
        "embedded.py",
        "import coral_lock\nreport = coral_lock.init('runtime.yaml')\n"
        "assert report.outcome == 'started'\n" + ASK,
    )
    assert _answer(machine.run("python", "embedded.py").require(0)) == EXPECTED


def test_a_host_that_runs_already_is_refused(machine: Device) -> None:
    machine.write(
        "late.py",
        "import coral_inference, coral_lock\n"
        "try:\n    coral_lock.init()\n"
        "except coral_lock.StartError as error:\n"
        "    print([finding.summary for finding in error.report.findings])\n",
    )
    outcome = machine.run("python", "late.py").require(0)
    assert outcome.stdout.splitlines()[-1] == (
        "['the host was imported before the lock could be applied to it']"
    )


def test_run_waits_for_the_first_import_of_the_host(machine: Device) -> None:
    machine.write(
        "wait.py",
        "import json, os, sys, threading\n"
        "read = lambda: json.load(open('report.json'))\n"
        "report = read()\n"
        "print(report['outcome'], report['plugins'][0]['status'], threading.active_count(),\n"
        "      'CORAL_RUNTIME_PLATFORM' in os.environ)\n"
        "import inference\n"
        "print('coral_inference' in sys.modules, 'my_package' in sys.modules)\n"
        "import coral_inference\n"
        "print(read()['outcome'], threading.active_count())\n",
    )
    words = ("run", "--locked", "-c", "runtime.yaml", "--report", "report.json")
    outcome = machine.coral(*words, "--", "wait.py").require(0)
    assert [
        line for line in outcome.stdout.splitlines() if not line.startswith(("printed", "written"))
    ] == [
        "verified not-run 1 False",
        "False False",
        "started 2",
    ]
    assert outcome.stderr.splitlines()[0] == (
        "verified on rknn: 4 plugins, to be activated at the first import of `coral_inference`"
    )


def test_a_plugin_s_own_module_imports_the_host_first(machine: Device) -> None:
    machine.write(
        "plugin_first.py",
        "from env_sensitive import coral_plugins\n"
        "import sys\n"
        "assert sys.modules['env_sensitive.coral_plugins'] is coral_plugins\n"
        "assert type(coral_plugins.__spec__.loader).__name__ != '_Imported'\n"
        "assert coral_plugins.SETTINGS['webrtc']['stun_servers']\n" + ASK,
    )
    outcome = machine.coral("run", "--locked", "-c", "runtime.yaml", "--", "plugin_first.py")
    assert _answer(outcome.require(0)) == EXPECTED


def test_services_reach_the_context_where_no_plugin_is_handed_them(device: MakeDevice) -> None:
    machine = _make_machine(device, descriptor="services: {secret: x}\n")
    outcome = machine.coral("run", "--locked", "-c", "runtime.yaml", "--", "ask.py").require(0)
    assert _answer(outcome)["services"] == {"secret": "x"}


def test_a_patch_that_the_host_skips_is_reported_as_skipped(
    device: MakeDevice, tmp_path: Path
) -> None:
    old = make_wheel(tmp_path, "inference", {"inference/__init__.py": ""}, version="0.40.0")
    machine = device("acme-object", "coral-inference==0.0.4")
    machine.install(str(old))
    machine.locked()
    report = machine.coral("init", "--locked").require(0).json()
    assert report["outcome"] == "started"
    assert report["state"]["patches_enabled"]["metric_sink"] is False
    assert report["state"]["patches_enabled"]["video_sink"] is True


@pytest.mark.parametrize(
    ("descriptor", "excluded", "backends", "plugins"),
    [
        (
            "patches: {plugins: false}\n",
            {
                "patches:frame_counter": "the host loads no patches: `patches.plugins` is false",
                "workflows:platform_block": (
                    "the host loads no workflows: `patches.plugins` is false"
                ),
            },
            ["onnx", "generic_cpu"],
            {},
        ),
        (
            "backends: {auto_discover: false}\n",
            {
                "backends:generic_cpu": (
                    "the host loads no backends: `backends.auto_discover` is false"
                )
            },
            ["onnx"],
            {"patches:frame_counter": True, "workflows:platform_block": True},
        ),
    ],
)
def test_what_the_host_would_not_load_is_excluded(
    device: MakeDevice,
    descriptor: str,
    excluded: dict[str, str],
    backends: list[str],
    plugins: dict[str, bool],
) -> None:
    machine = _make_machine(
        device, "acme-object", "generic-backend", "platform-workflow", descriptor=descriptor
    )
    lock = json.loads(machine.lock_path.read_text())
    assert {key: entry["reason"] for key, entry in lock["excluded"].items()} == excluded
    outcome = machine.coral("run", "--locked", "-c", "runtime.yaml", "--", "ask.py").require(0)
    answer = _answer(outcome)
    assert (answer["backends"], answer["plugins"]) == (backends, plugins)
    assert answer["blocks"] == (None if "plugins" in descriptor else "coral_inference.plugins")


@pytest.mark.parametrize(
    ("descriptor", "summary", "hint"),
    [
        (
            "patches: {plugins: false, frame_counter: true}\n",
            "`patches:frame_counter` is switched on, and the host loads no patches: "
            "`patches.plugins` is false",
            "remove `patches.plugins: false` (runtime.yaml:1:11), or switch "
            "`patches:frame_counter` off",
        ),
        (
            "backends: {auto_discover: false, generic_cpu: true}\n",
            "`backends:generic_cpu` is switched on, and the host loads no backends: "
            "`backends.auto_discover` is false",
            "remove `backends.auto_discover: false` (runtime.yaml:1:12), or switch "
            "`backends:generic_cpu` off",
        ),
    ],
)
def test_what_is_switched_on_and_would_not_be_loaded_is_an_error(
    device: MakeDevice, descriptor: str, summary: str, hint: str
) -> None:
    machine = device("acme-object", "generic-backend", *HOSTS)
    machine.write("runtime.yaml", descriptor)
    outcome = machine.coral("lock", "-c", "runtime.yaml").require(1)
    assert f"error[loading-off]: {summary}\n" in outcome.stderr
    assert f"hint: {hint}\n" in outcome.stderr


def test_a_program_that_starts_the_host_again_gets_locked_plugins_only(machine: Device) -> None:
    machine.install("acme-workflows")
    machine.write(
        "runtime.yaml", DESCRIPTOR + "workflows: {custom_block: false, rknn_block: false}\n"
    )
    machine.locked("-c", "runtime.yaml")
    machine.write(
        "again.py",
        "from coral_inference.runtime import RuntimeConfig, init\n"
        "state = init(RuntimeConfig(platform='onnx', services={'own': 1})).state\n"
        "print(state.platform, sorted(state.plugins_loaded), state.backends_enabled)\n"
        "from env_sensitive.coral_plugins import SETTINGS\nprint(SETTINGS)\n",
    )
    outcome = machine.coral("run", "--locked", "-c", "runtime.yaml", "--", "again.py").require(0)
    assert outcome.stdout.splitlines()[-2:] == [
        "onnx ['patches:camera_stabilizer', 'patches:prints_stdout', 'patches:service_reader'] "
        "['onnx']",
        "{'webrtc': None}",
    ]


@pytest.mark.parametrize("more", [(), ("--eager",), ("--closed",), ("--integrity=full",)])
@pytest.mark.parametrize("name", ["coral_inference.py", "coral_inference/__init__.py"])
def test_a_file_of_the_host_s_name_beside_the_program_is_not_there(
    machine: Device, name: str, more: tuple[str, ...]
) -> None:
    (machine.directory / name).parent.mkdir(exist_ok=True)
    machine.write(name, "print('shadow')\n")
    outcome = machine.coral("run", "--locked", *more, "-c", "runtime.yaml", "--", "ask.py")
    assert _answer(outcome.require(0)) == EXPECTED
    assert "shadow" not in outcome.stdout


DOORS = """\
import warnings
import importlib.metadata as metadata
import {module} as door
group = "coral_inference.patches"
"""
QUESTIONS = {
    "importlib.metadata": (
        "door.entry_points(group=group)",
        "door.entry_points().select(group=group)",
        "sorted((e for d in door.distributions() for e in d.entry_points if e.group == group),\n"
        "    key=lambda each: order.index(each.name))",
    ),
    "importlib_metadata": (
        "door.entry_points(group=group)",
        "door.entry_points().select(group=group)",
    ),
    "pkg_resources": (
        "door.iter_entry_points(group)",
        "sorted((e for d in door.working_set for e in d.get_entry_map(group).values()),\n"
        "    key=lambda each: order.index(each.name))",
    ),
}


def test_every_door_to_the_entry_points_shows_what_is_locked(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "after-plugin", "acme-object", *HOSTS)
    machine.install("importlib_metadata", "setuptools<81")
    machine.write(
        "runtime.yaml",
        "patches: {frame_counter: false, camera_stabilizer: {after: ['patches:tone_mapping']}}\n",
    )
    machine.locked_once("-c", "runtime.yaml")
    order = ["tone_mapping", "camera_stabilizer"]
    for module, questions in QUESTIONS.items():
        asked = "".join(f"print([each.name for each in {ask}])\n" for ask in questions)
        for before in ("", f"import {module}\n", "import coral_inference\n"):
            machine.write(
                "door.py", f"order = {order}\n" + before + DOORS.format(module=module) + asked
            )
            words = ("run", "--locked", "-c", "runtime.yaml", "--", "door.py")
            outcome = machine.coral(*words).require(0)
            assert outcome.stdout == f"{order}\n" * len(questions), (module, before)


def test_other_groups_and_what_entry_points_are_stay_as_they_were(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "acme-object", *HOSTS)
    machine.locked_once("--set", "patches.frame_counter=false")
    machine.write(
        "show.py",
        "import warnings\nwarnings.simplefilter('error')\n"
        "from importlib import metadata\n"
        "everything = metadata.entry_points()\n"
        "print(type(everything).__name__)\n"
        "print(sorted(e.name for e in everything.select(group='console_scripts')))\n"
        "(one,) = metadata.entry_points(group='coral_inference.patches')\n"
        "print(one.name, one.value, one.module, one.attr, one.dist.name)\n"
        "print(isinstance(one, metadata.EntryPoint))\n"
        "print([e.name for e in metadata.distribution('acme-object').entry_points])\n"
        "(spec,) = one.load()\n"
        "print(type(spec).__module__, spec.name, spec.min_core_version)\n",
    )
    words = ("--", "show.py")
    plain = machine.run(
        "python",
        "-c",
        "from importlib import metadata as m\n"
        "e = m.entry_points()\nprint(type(e).__name__)\n"
        "print(sorted(x.name for x in e.select(group='console_scripts')))\n",
    ).require(0)
    outcome = machine.coral("run", "--locked", *words).require(0)
    assert outcome.stdout == plain.stdout + (
        "camera_stabilizer my_package.coral_plugins:register_camera_stabilizer "
        "my_package.coral_plugins register_camera_stabilizer my-package\n"
        "True\n[]\n"
        "coral_inference.runtime.plugins camera_stabilizer 0.0.4\n"
    )


def _other_host(directory: Path, changes: dict[str, str]) -> Path:
    """Build a host of another version whose modules differ as a test wants."""
    source = FIXTURES / "hosts" / "coral-inference-0.0.4"
    files = {
        path.relative_to(source).as_posix(): path.read_text()
        for path in sorted(source.rglob("*.py"))
    }
    changed = {f"coral_inference/{name}": text for name, text in changes.items()}
    return make_wheel(directory, "coral-inference", {**files, **changed}, version="0.0.6")


READS_FILES = """
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Callable


@dataclass
class PluginSpec:
    name: str
    activate: Callable[[Any], bool]
    description: str = ""
    min_core_version: str | None = None
    min_inference_version: str | None = None


def load_plugins(config):
    loaded = {}
    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if "[coral_inference.patches]" in text:
            loaded["patches:" + text.split("=")[0].split()[-1]] = True
    return loaded
"""
KEEPS_QUIET = """
STARTS = 0


def init(config=None):
    return None


def get_current_context():
    return None
"""


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        (
            {"runtime/plugins.py": READS_FILES},
            [
                ("`patches:camera_stabilizer`", "not loaded", "loaded"),
                (
                    "`patches:frame_counter`",
                    "loaded from its locked entry point",
                    "loaded otherwise",
                ),
            ],
        ),
        (
            {"runtime/start.py": KEEPS_QUIET},
            [("its context", "a context with its state", "none")],
        ),
    ],
)
def test_a_host_that_does_not_follow_the_lock_fails_the_start(
    device: MakeDevice, tmp_path: Path, changes: dict[str, str], differences: list[tuple[str, ...]]
) -> None:
    machine = device("acme-object", "my-package==1.0.0", "inference==0.58.0")
    machine.install(str(_other_host(tmp_path, changes)))
    machine.locked("--set", "patches.camera_stabilizer=false")
    outcome = machine.coral("init", "--locked").require(1)
    assert [
        (finding["summary"].partition(": ")[2], finding["expected"], finding["found"])
        for finding in outcome.json()["findings"]
        if finding["code"] == "host-state"
    ] == differences
    assert outcome.json()["outcome"] == "failed"
    machine.write("ask.py", "import coral_inference\nprint('still here')\n")
    refused = machine.coral("run", "--locked", "--report", "report.json", "--", "ask.py")
    assert (refused.code, refused.stdout) == (78, "")
    assert json.loads((machine.directory / "report.json").read_text())["outcome"] == "failed"


def test_a_host_that_cannot_be_imported_fails_the_start(device: MakeDevice, tmp_path: Path) -> None:
    machine = device("acme-object", "inference==0.58.0")
    machine.install(
        str(_other_host(tmp_path, {"core/__init__.py": "raise RuntimeError('no licence')\n"}))
    )
    machine.locked()
    outcome = machine.coral("init", "--locked").require(1)
    (finding,) = outcome.json()["findings"]
    assert finding["code"] == "host-failed"
    assert finding["summary"].startswith(
        "the host couldn't be imported: RuntimeError: no licence ("
    )
    machine.write(
        "swallow.py",
        "try:\n    import coral_inference\nexcept BaseException:\n    pass\nprint('still here')\n",
    )
    refused = machine.coral("run", "--locked", "--", "swallow.py")
    assert (refused.code, refused.stdout) == (78, "")
    assert "patches:frame_counter isn't active: nothing activated it\n" in refused.stderr


def test_a_host_that_imports_a_changed_file_names_it_and_does_not_advise_to_run_it(
    device: MakeDevice,
) -> None:
    machine = device("acme-object", *HOSTS)
    machine.locked_once()
    source = machine.site_packages / "coral_inference" / "runtime" / "patches.py"
    source.write_text(source.read_text() + "print('not reviewed')\n")
    outcome = machine.coral("init", "--locked").require(3)
    changed, failed = outcome.json()["findings"]
    assert (failed["code"], changed["code"]) == ("host-failed", "digest-mismatch")
    summary, _, place = failed["summary"].rpartition(" (")
    assert summary == f"the host couldn't be imported: {changed['summary']}"
    assert place.startswith(str(machine.site_packages / "coral_inference"))
    assert failed["hint"] == changed["hint"] == "reinstall `coral-inference` from a wheel you trust"
    assert "not reviewed" not in outcome.stderr


@pytest.mark.parametrize("plugin", ["fails-raise", "fails-exit-activate", "fails-import"])
def test_a_plugin_that_fails_in_the_host_ends_run_with_the_reason(
    device: MakeDevice, plugin: str
) -> None:
    machine = device(plugin, "my-package==1.0.0", *HOSTS)
    machine.locked_once()
    machine.write("ask.py", "import coral_inference\nprint('still here')\n")
    outcome = machine.coral("run", "--locked", "--", "ask.py")
    assert (outcome.code, outcome.stdout) == (78, "")
    assert f"error[activation-failed]: `patches:{plugin.replace('-', '_')}`" in outcome.stderr
    assert "start failed on onnx: 1 of 2 plugins active\n" in outcome.stderr
