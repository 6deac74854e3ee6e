"""`coral-runtime config`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from coral_lock.cli.application import application
from coral_lock.document.schema import schema_text
from coral_lock.errors import CoralLockError, ProblemsError


def test_validate_prints_the_merged_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("platform: rknn\nservices: {db: {password: hunter2, url: 'http://u:p@h'}}\n")
    result = CliRunner().invoke(
        application,
        ["config", "validate", "-c", str(path), "--set", "patches.x.optional=true"],
        env={"CORAL_ENABLE_CAMERA": "off", "CORAL_ENABLE_CAMRA": "1"},
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["valid"] is True
    assert document["descriptor"]["platform"] == "rknn"
    assert document["descriptor"]["patches"]["camera"] is False
    assert document["descriptor"]["patches"]["x"] == {"enabled": True, "optional": True}
    assert document["descriptor"]["services"] == {"db": {"password": "***", "url": "http://***@h"}}
    assert document["origins"]["platform"] == f"{path}:1:1"
    assert document["origins"]["patches.camera"] == "CORAL_ENABLE_CAMERA"
    assert document["origins"]["patches.x.optional"] == "--set patches.x.optional=true"
    assert document["warnings"] == [
        "unknown variable `CORAL_ENABLE_CAMRA`; did you mean `CORAL_ENABLE_CAMERA`?"
    ]


def test_no_secret_is_printed_wherever_it_came_from(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    path.write_text('{"services": {"db": {"password": "hunter2"}}}')
    arguments = ["config", "validate", "-c", str(path), "--set", "services.mqtt.token=hunter3"]
    result = CliRunner().invoke(application, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "hunter" not in result.output


def test_no_env_leaves_the_environment_out() -> None:
    result = CliRunner().invoke(
        application, ["config", "validate", "--no-env"], env={"CORAL_RUNTIME_PLATFORM": "rknn"}
    )
    assert json.loads(result.stdout)["descriptor"]["platform"] == "onnx"


def test_mistakes_are_raised_for_the_top_level_to_print() -> None:
    with pytest.raises(ProblemsError) as caught:
        CliRunner().invoke(
            application,
            ["config", "validate", "--no-env", "--set", "a=1", "--set", "b=2"],
            catch_exceptions=False,
        )
    assert caught.value.message == "the descriptor has 2 mistakes"


def test_schema_prints_the_schema() -> None:
    result = CliRunner().invoke(application, ["config", "schema"])
    assert result.exit_code == 0
    assert result.stdout == schema_text("descriptor")


def test_an_unknown_schema() -> None:
    with pytest.raises(CoralLockError, match="there is no schema `nonsense`"):
        schema_text("nonsense")


@pytest.mark.parametrize("command", [[], ["validate"], ["schema"]])
def test_every_help_has_examples(command: list[str]) -> None:
    result = CliRunner().invoke(application, ["config", *command, "--help"])
    assert "Examples:\n    coral-runtime config " in result.stdout
