"""The `runtime.yaml` of the working directory: used, said so, and left out when asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coral_lock.cli.application import application
from tests.support.device import Device, Environments
from tests.support.in_process import WorkingDirectory

PLUGIN = "patches:camera_stabilizer"
USING = "using `runtime.yaml`; `--no-config` leaves it out\n"
COMMANDS = {
    "plugins list": ("plugins", "list", "--output-format", "json"),
    "plugins check": ("plugins", "check", "my-package", "--output-format", "json"),
    "explain": ("explain", PLUGIN),
    "config validate": ("config", "validate"),
    "init": ("init",),
    "init --locked": ("init", "--locked"),
    "run": ("run", "--locked", "--", "program.py"),
    "lock": ("lock", "-o", "new.lock"),
}
"""Command lines of every command that takes `-c`, but for the descriptor."""


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, environments: Environments
) -> Iterator[Device]:
    """A device with a lock for the platform rknn, and a descriptor that asks for that."""
    made = environments.device(
        tmp_path_factory.mktemp("default") / "device",
        "my-package==1.0.0",
        "coral-inference==0.0.4",
        "inference==0.58.0",
    )
    made.write("runtime.yaml", "platform: rknn\n")
    made.write("program.py", "print('{}')\n")
    made.locked("-c", "runtime.yaml")
    yield made
    environments.give_back(made.environment)


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    return WorkingDirectory(directory=tmp_path)


def _refusing(machine: Device, name: str) -> Device | WorkingDirectory:
    """Return where to run what is refused before it looks at the environment.

    Only a start needs a process of its own for that.
    """
    is_start = name.partition(" ")[0] in ("init", "run")
    return machine if is_start else WorkingDirectory(directory=machine.directory)


def _with(words: tuple[str, ...], *options: str) -> tuple[str, ...]:
    """Put options behind the command's name, before a program that it runs."""
    position = words.index("--") if "--" in words else len(words)
    return (*words[:position], *options, *words[position:])


def _bad_input(name: str) -> int:
    """Return the exit code of bad input; those of `run` are its own."""
    return 78 if name == "run" else 2


def _commands_with_config(group: click.Group, path: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands_with_config(command, f"{path}{name} ")
        elif command is not None and any("--config" in each.opts for each in command.params):
            yield f"{path}{name}"


def test_every_command_that_takes_a_descriptor_is_tried_here() -> None:
    assert set(_commands_with_config(application)) == {
        name.removesuffix(" --locked") for name in COMMANDS
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_used_and_said(machine: Device, name: str) -> None:
    words = COMMANDS[name]
    used = machine.coral(*words).require(0)
    assert used.stderr.startswith(USING)
    assert used.stderr.count(USING) == 1
    assert "runtime.yaml`;" not in used.stdout
    named = machine.coral(*_with(words, "-c", "runtime.yaml")).require(0)
    assert USING not in named.stderr
    if name == "explain":
        assert used.stdout == named.stdout
    else:
        assert json.loads(used.stdout or "{}").keys() == json.loads(named.stdout or "{}").keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_left_out_when_asked(machine: Device, name: str) -> None:
    left_out = machine.coral(*_with(COMMANDS[name], "--no-config")).require(0)
    assert USING not in left_out.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_another_one_goes_before_it(machine: Device, name: str) -> None:
    machine.write("other.yaml", "plaform: rknn\n")
    place = machine if name == "plugins check" else _refusing(machine, name)
    refused = place.coral(*_with(COMMANDS[name], "-c", "other.yaml"))
    assert USING not in refused.stderr
    assert "other.yaml:1:1" in refused.stdout + refused.stderr
    assert refused.code == (1 if name == "plugins check" else _bad_input(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_naming_one_and_none_is_refused(machine: Device, name: str) -> None:
    words = _with(COMMANDS[name], "-c", "runtime.yaml", "--no-config")
    assert _refusing(machine, name).coral(*words).require(_bad_input(name)).stderr == (
        "error: `--config` and `--no-config` are mutually exclusive\n"
        "  hint: leave one of them out\n"
    )


def test_it_decides(machine: Device) -> None:
    def platform(*words: str) -> object:
        return machine.coral(*words).require(0).json()["state"]["platform"]

    assert platform("init") == "rknn"
    assert platform("init", "--no-config") == "onnx"
    for options, expected in (((), "rknn"), (("--no-config",), "onnx")):
        document = machine.coral("config", "validate", *options).require(0).json()
        assert document["descriptor"]["platform"] == expected
        machine.coral("lock", "-o", "decided.lock", *options).require(0)
        lock = json.loads((machine.directory / "decided.lock").read_text())
        assert lock["platform"] == expected


def test_it_may_not_contradict_the_lock(machine: Device, tmp_path: Path) -> None:
    (tmp_path / "runtime.yaml").write_text("platform: onnx\n")
    words = ("init", "--locked", "--lock", str(machine.lock_path))
    report = machine.coral(*words, cwd=tmp_path).require(1).json()
    assert [(each["code"], each["where"]) for each in report["findings"]] == [
        ("contradicts-lock", "runtime.yaml:1:1")
    ]
    machine.coral(*words, "--no-config", cwd=tmp_path).require(0)


@pytest.mark.parametrize("name", ["runtime.yml", "runtime.json", "descriptor.yaml"])
def test_no_other_name_is_looked_for(work: WorkingDirectory, name: str) -> None:
    work.write(name, "plaform: rknn\n")
    assert work.coral("config", "validate").require(0).stderr == ""


def test_one_that_leads_nowhere_is_an_error(work: WorkingDirectory) -> None:
    (work.directory / "runtime.yaml").symlink_to("nowhere.yaml")
    assert work.coral("config", "validate").require(2).stderr == (
        USING + "error: there is no descriptor\n"
        "  where: runtime.yaml\n"
        "  hint: name an existing file with `-c FILE`\n"
    )


def test_a_project_s_own_is_checked_once(machine: Device, tmp_path: Path) -> None:
    machine.coral("plugins", "new", "acme-glow", cwd=tmp_path).require(0)
    project = tmp_path / "acme-glow"
    (project / "runtime.yaml").write_text("plaform: rknn\n")
    for words in ((), ("-c", "runtime.yaml"), ("-c", str(project / "runtime.yaml"))):
        checked = machine.coral("plugins", "check", *words, cwd=project).require(1)
        assert checked.stdout.count("unknown key `plaform`") == 1
    machine.coral("plugins", "check", "--no-config", cwd=project).require(0)


@pytest.mark.parametrize(("options", "is_read"), [((), True), (("--no-config",), False)])
def test_only_a_start_that_reads_one_pays_for_it(
    machine: Device, options: tuple[str, ...], is_read: bool
) -> None:
    machine.write("show.py", "import sys\nprint('yaml' in sys.modules)\n")
    words = ("run", "--locked", *options, "--", "show.py")
    assert machine.coral(*words).require(0).stdout == f"{is_read}\n"
