"""The Python API, used as an embedding program would."""

from __future__ import annotations

from tests.conftest import MakeDevice
from tests.support.device import Device

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")


def _run(machine: Device, code: str) -> list[str]:
    machine.write("embedding.py", code)
    return machine.run("python", "embedding.py").require(0).stdout.splitlines()


def test_lock_verify_init_and_diff(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "acme-object", *HOSTS)
    assert _run(
        machine,
        "import coral_lock\n"
        "resolution = coral_lock.lock(settings=['platform=rknn'])\n"
        "text = coral_lock.write_lock(resolution.lock)\n"
        "open('coral.lock', 'w').write(text)\n"
        "assert coral_lock.read_lock(text) == resolution.lock\n"
        "print(coral_lock.verify(), coral_lock.diff('coral.lock', resolution.lock))\n"
        "report = coral_lock.init()\n"
        "print(report.outcome, report.state.platform, report.state.plugins_loaded)\n"
        "other = coral_lock.lock(settings=['patches.frame_counter=false']).lock\n"
        "print([change.subject for change in coral_lock.diff(resolution.lock, other)])\n",
    ) == [
        "() ()",
        "started rknn {'patches:camera_stabilizer': True, 'patches:frame_counter': True}",
        "['platform', 'acme-object', 'patches:frame_counter']",
    ]


def test_a_refused_start_raises_with_the_report(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    machine.locked()
    machine.install("acme-object")
    assert _run(
        machine,
        "import coral_lock\n"
        "try:\n"
        "    coral_lock.init()\n"
        "except coral_lock.StartError as error:\n"
        "    print(error, error.exit_code, [f.code for f in error.report.findings])\n",
    ) == ["the start was refused 1 ['unlocked-plugin']"]


def test_init_without_a_lock_resolves_live(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    assert _run(
        machine,
        "import coral_lock\n"
        "report = coral_lock.init(lock=None, settings=['services.a.b=1'])\n"
        "print(report.locked, report.state.plugins_loaded)\n",
    ) == ["False {'patches:camera_stabilizer': True}"]


def test_the_classes_are_those_of_the_shim(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0")
    assert _run(
        machine,
        "import coral_lock\n"
        "from coral_lock.plugin.spec import install_shim\n"
        "install_shim()\n"
        "from coral_inference.runtime.plugins import PluginSpec\n"
        "from coral_inference.runtime.backends import BackendAdapter\n"
        "print(PluginSpec is coral_lock.PluginSpec, BackendAdapter is coral_lock.BackendAdapter)\n",
    ) == ["True True"]


def test_a_start_is_told_the_versions_of_hosts(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0")
    machine.locked("--core-version=0.0.4", "--inference-version=0.58.0")
    assert _run(
        machine,
        "import coral_lock\n"
        "told = {'core_version': 'v0.0.4', 'inference_version': '0.58'}\n"
        "print(coral_lock.init(**told).outcome)\n"
        "print(coral_lock.init(lock=None, **told).outcome)\n"
        "try:\n"
        "    coral_lock.init(core_version='0.0.3')\n"
        "except coral_lock.StartError as error:\n"
        "    print(error.exit_code, error.report.findings[0].code)\n",
    ) == ["started", "started", "1 contradicts-lock"]
