"""The hooks of this repository, installed and run by the real pre-commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of
from tests.support.clone import Clone
from tests.support.environments import clean_environment, create_environment, install_with_uv
from tests.support.wheelhouse import REPOSITORY, copy_of_repository
from tests.support.wheels import FIXTURES

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git isn't installed")

FAILED = """\
coral.lock is fresh......................................................Failed
- hook id: coral-lock-check
- exit code: 1

using `runtime.yaml`; `--no-config` leaves it out
lock
  ~ the version of the core host changed: 0.0.4 → 0.0.5
coral.lock is stale: 1 change, see above
  hint: run `coral-runtime lock --python .venv/bin/python` and have the changes reviewed

coral_plugin.yaml is up to date..........................................Failed
- hook id: coral-manifest-check
- exit code: 1

--- acme_vision/coral_plugin.yaml
+++ acme_vision/coral_plugin.yaml
@@ -16,6 +16,6 @@
   - group: patches
     name: glare_filter
     entry_point: acme_vision.coral_plugins:register_vision_suite
-    description: Dampen glare of the sun
+    description: Reduce glare of the sun
     min_core_version: "0.0.4"
     min_inference_version: "0.9.0"
stale: acme_vision/coral_plugin.yaml
  hint: run `coral-runtime manifest compile`

"""


def documented_configuration() -> str:
    page = (REPOSITORY / "docs" / "reviewing-a-lock.md").read_text(encoding="utf-8")
    (text,) = (
        block.text
        for block in blocks_of(page)
        if block.marker.get("file") == ".pre-commit-config.yaml"
    )
    return text


@pytest.fixture
def hooks(tmp_path: Path) -> Clone:
    """This repository in git, as it is."""
    clone = Clone(directory=copy_of_repository(tmp_path / "hooks"))
    shutil.copy2(REPOSITORY / ".pre-commit-hooks.yaml", clone.directory)
    clone.git("init", "-q")
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "release")
    return clone


@pytest.fixture
def project(tmp_path: Path, hooks: Clone, wheelhouse: Path) -> Clone:
    """A project with a plugin, a lock, and what the lock was taken from in `.venv`."""
    clone = Clone(directory=tmp_path / "project")
    shutil.copytree(FIXTURES / "plugins" / "acme-vision", clone.directory)
    clone.git("init", "-q")
    clone.write(".gitignore", ".venv/\ncache/\n")
    clone.write("runtime.yaml", 'host: {core: "0.0.4", inference: "0.58.0"}\n')
    environment = create_environment(clone.directory / ".venv")
    install_with_uv(environment, "acme-vision", wheelhouse=wheelhouse, no_deps=True)
    clone.locked("--python", environment.python)
    revision = hooks.git("rev-parse", "HEAD").strip()
    configuration = re.sub(r"(?m)(?<= rev: ).*$", revision, documented_configuration())
    configuration = re.sub(r"(?m)(?<= repo: ).*$", str(hooks.directory), configuration)
    clone.write(".pre-commit-config.yaml", configuration)
    clone.git("add", "-A")
    return clone


def test_hooks_pass_and_fail(project: Clone, tmp_path: Path, wheelhouse: Path) -> None:
    """What pre-commit makes for the hooks is installed from the wheelhouse, once for both."""

    def run_all(code: int) -> str:
        end = subprocess.run(
            (sys.executable, "-m", "pre_commit", "run", "--color=never", "--all-files"),
            cwd=project.directory,
            env=clean_environment(
                {
                    "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
                    "PIP_CONFIG_FILE": os.devnull,
                    "PIP_FIND_LINKS": str(wheelhouse),
                    "PIP_NO_INDEX": "1",
                    "VIRTUALENV_NO_PERIODIC_UPDATE": "1",
                    "XDG_DATA_HOME": str(tmp_path / "data"),
                }
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert end.returncode == code, end.stdout + end.stderr
        return end.stdout

    assert re.findall(r"^(.*?)\.{4,}(.*)$", run_all(0), re.MULTILINE) == [
        ("coral.lock is fresh", "Passed"),
        ("coral_plugin.yaml is up to date", "Passed"),
    ]
    project.write("runtime.yaml", 'host: {core: "0.0.5", inference: "0.58.0"}\n')
    plugins = project.directory / "acme_vision" / "coral_plugins.py"
    plugins.write_text(plugins.read_text().replace("Dampen glare", "Reduce glare"))
    assert run_all(1) == FAILED
