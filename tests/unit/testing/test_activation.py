"""`coral_activation` activates plugins as a locked start does, and reports on it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jsonschema
import pytest

from coral_lock.document.schema import schema_text
from coral_lock.plugin.spec import RuntimeShim
from coral_lock.testing.fixtures import Activation, ActivationHarness, ConfigBuilder, FakeHost
from tests.unit.testing.modules import HEAD, module_text, write_package

GLOW = "patches:glow"
both = pytest.mark.parametrize("fresh", [False, True], ids=["in process", "fresh"])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to import from."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    return directory


def _message(activation: Activation) -> str:
    with pytest.raises(AssertionError) as failure:
        activation.assert_activated(GLOW)
    return str(failure.value)


@both
def test_a_plugin_is_activated(
    site: Path, coral_activation: ActivationHarness, fresh: bool
) -> None:
    entry_point = write_package(site, "acme_fine", module_text())
    activation = coral_activation(entry_point=entry_point, fresh=fresh)
    activation.assert_activated(GLOW)
    assert activation.report.outcome == "started"
    assert activation.report.state.plugins_loaded == {GLOW: True}
    assert ("acme_fine.plugin" in sys.modules) is not fresh
    document = activation.report.to_dict()
    jsonschema.validate(document, json.loads(schema_text("activation-report")))
    assert (json.loads(activation.stdout) == document) if fresh else activation.stdout == ""


@both
def test_the_configuration_is_handed_over(
    site: Path, coral_activation: ActivationHarness, coral_config: ConfigBuilder, fresh: bool
) -> None:
    body = (
        "assert config.platform == 'rknn', config.platform\n"
        "assert config.services == {'acme': {'levels': [1, 2.5, None]}}, config.services\n"
        "return config.enable_camera_patch is False and config.extra is True"
    )
    entry_point = write_package(site, "acme_config", module_text(body))
    config = coral_config(
        platform="rknn",
        services={"acme": {"levels": [1, 2.5, None]}},
        patches={"camera": False},
    )
    config.extra = True  # type: ignore[attr-defined]
    activation = coral_activation(entry_point=entry_point, config=config, fresh=fresh)
    activation.assert_activated(GLOW)
    assert activation.report.state.platform == "rknn"
    assert activation.report.state.patches_enabled["camera"] is False


@both
def test_a_failure_tells_its_reason_and_place(
    site: Path, coral_activation: ActivationHarness, fresh: bool
) -> None:
    body = "print('looking')\nraise RuntimeError('no sensor at /dev/video0')"
    entry_point = write_package(site, "acme_raises", module_text(body))
    activation = coral_activation(entry_point=entry_point, fresh=fresh)
    activation.assert_failed(GLOW)
    activation.assert_failed(GLOW, reason_contains="no sensor")
    reason = f"RuntimeError: no sensor at /dev/video0 ({site}/acme_raises/plugin.py:6)"
    assert activation.outcome(GLOW).reason == reason
    assert _message(activation) == (
        f"`patches:glow` isn't active; it is failed: {reason}"
        + ("\nIt printed:\nlooking" if fresh else "")
    )
    with pytest.raises(AssertionError) as failure:
        activation.assert_failed(GLOW, reason_contains="no camera")
    assert str(failure.value).startswith("`patches:glow` didn't fail for `no camera`; it is failed")


def test_activating_is_no_failure(site: Path, coral_activation: ActivationHarness) -> None:
    activation = coral_activation(entry_point=write_package(site, "acme_ok", module_text()))
    with pytest.raises(AssertionError) as failure:
        activation.assert_failed(GLOW)
    assert str(failure.value) == "`patches:glow` didn't fail; it is activated"
    with pytest.raises(AssertionError) as failure:
        activation.assert_activated("patches:glare")
    assert str(failure.value) == (
        "`patches:glare` wasn't to be activated; what was: `patches:glow`"
    )


def test_what_a_fresh_interpreter_prints(site: Path, coral_activation: ActivationHarness) -> None:
    body = "import os\nos.write(1, b'from C\\n')\nreturn True"
    text = module_text(body, top="print('at import', flush=True)\n")
    activation = coral_activation(entry_point=write_package(site, "acme_p", text), fresh=True)
    assert activation.stderr == "at import\nfrom C\n"
    assert json.loads(activation.stdout)["outcome"] == "started"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "import ctypes\nctypes.CDLL(None)._exit(7)",
            "the interpreter exited with code 7 before it could report",
        ),
        (
            "import os\nos.kill(os.getpid(), 9)",
            "the interpreter was killed by SIGKILL before it could report",
        ),
        (
            "import time\ntime.sleep(60)",
            "the interpreter took longer than 0.5 s before it could report",
        ),
        (
            "import os, __main__\nos.write(__main__.answer, b'cposix\\n_exit\\n(K\\x03tR.')",
            "the interpreter exited with code 1 before it could report",
        ),
    ],
)
def test_a_fresh_interpreter_that_doesn_t_report(
    site: Path, coral_activation: ActivationHarness, body: str, reason: str
) -> None:
    entry_point = write_package(site, "acme_ends", module_text(body))
    time_limit = 0.5 if "sleep" in body else 30.0
    activation = coral_activation(entry_point=entry_point, fresh=True, time_limit=time_limit)
    activation.assert_failed(GLOW)
    assert activation.outcome(GLOW).reason == reason
    assert activation.report.outcome == "failed"
    assert activation.report.exit_code == 1


def test_a_configuration_that_can_t_be_passed_on(
    site: Path, coral_activation: ActivationHarness, coral_config: ConfigBuilder
) -> None:
    entry_point = write_package(site, "acme_data", module_text())
    for value in (object(), (1, 2), {1: 2}):
        config = coral_config(services={"acme": value})
        coral_activation(entry_point=entry_point, config=config, fresh=True).assert_activated(GLOW)
    config = coral_config(services={"acme": lambda: None})
    coral_activation(entry_point=entry_point, config=config).assert_activated(GLOW)
    with pytest.raises(ValueError, match=r"^a fresh interpreter can't be handed this config"):
        coral_activation(entry_point=entry_point, config=config, fresh=True)


def test_a_plugin_for_another_host_isn_t_run(
    site: Path, coral_activation: ActivationHarness, coral_host: FakeHost
) -> None:
    text = module_text(more=', min_core_version="0.0.4"', top="raise SystemExit\n")
    entry_point = write_package(site, "acme_needs", text)
    coral_host(core="0.0.3")
    activation = coral_activation(entry_point=entry_point)
    activation.assert_failed(GLOW, reason_contains="requires coral-inference >= 0.0.4, found 0.0.3")
    assert activation.outcome(GLOW).status == "not-run"
    assert activation.report.outcome == "refused"
    assert "acme_needs" not in sys.modules


def test_a_host_that_nobody_told(
    site: Path, coral_activation: ActivationHarness, coral_host: FakeHost
) -> None:
    coral_host()
    text = module_text(more=', min_core_version="0.0.4"')
    activation = coral_activation(entry_point=write_package(site, "acme_unknown", text))
    assert "hint: tell it with the fixture `coral_host`" in _message(activation)


def test_backends(
    site: Path, coral_activation: ActivationHarness, coral_config: ConfigBuilder
) -> None:
    text = (
        "from coral_inference.runtime.backends import BackendAdapter\n"
        "def supports(platform, config): return platform == 'rknn'\n"
        "def activate(platform, config): return True\n"
        "register = BackendAdapter('npu', supports, activate)\n"
    )
    entry_point = write_package(site, "acme_npu", text)

    def on(platform: str) -> Activation:
        config = coral_config(platform=platform)
        return coral_activation(entry_point=entry_point, group="backends", config=config)

    on("rknn").assert_activated("backends:npu")
    assert on("onnx").outcome("backends:npu").status == "unsupported"
    with pytest.raises(AssertionError, match="didn't fail; it is unsupported"):
        on("onnx").assert_failed("backends:npu")


@both
@pytest.mark.parametrize(
    ("supports", "reason"),
    [
        ("async def supports(platform, config): return False",
         "`supports` is async, so it never ran"),
        ("def supports(platform, config): return 'no'",
         "`supports` returned 'no', not True or False"),
        ("def supports(platform, config): return 1", "`supports` returned 1, not True or False"),
        ("def supports(platform, config): pass", "`supports` returned None, not True or False"),
    ],
)  # fmt: skip
def test_supports_has_to_return_a_bool(
    site: Path, coral_activation: ActivationHarness, fresh: bool, supports: str, reason: str
) -> None:
    text = (
        "from coral_inference.runtime.backends import BackendAdapter\n"
        f"{supports}\n"
        "def activate(platform, config): return True\n"
        "register = BackendAdapter('npu', supports, activate)\n"
    )
    entry_point = write_package(site, "acme_unsure", text)
    activation = coral_activation(entry_point=entry_point, group="backends", fresh=fresh)
    activation.assert_failed("backends:npu")
    assert activation.outcome("backends:npu").reason == reason
    assert activation.report.outcome == "failed"


def test_an_old_style_plugin_is_named_like_its_entry_point(
    site: Path, coral_activation: ActivationHarness
) -> None:
    entry_point = write_package(site, "acme_old", "def register(config): return True\n")
    coral_activation(entry_point=entry_point).assert_activated("patches:register")
    coral_activation(entry_point=entry_point, name="glow").assert_activated(GLOW)


def test_a_spec_that_differs_from_what_is_known_is_refused(
    site: Path, coral_activation: ActivationHarness
) -> None:
    entry_point = write_package(site, "acme_drift", module_text())
    (site / "acme_drift" / "coral_plugin.yaml").write_text(
        "manifest_version: 1\n"
        "plugins:\n"
        f"  - {{group: patches, name: glow, entry_point: '{entry_point}', description: Other}}\n",
        encoding="utf-8",
    )
    activation = coral_activation(entry_point=entry_point)
    activation.assert_failed(GLOW, "its live spec says description 'Make frames glow', the lock")


def test_a_manifest_s_terms_hold(
    site: Path,
    coral_activation: ActivationHarness,
    coral_config: ConfigBuilder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = "return config.enable_webrtc is False and config.services['acme'] == {'a': 1, 'b': 3}"
    entry_point = write_package(site, "acme_terms", module_text(body))
    (site / "acme_terms" / "coral_plugin.yaml").write_text(
        "manifest_version: 1\n"
        "plugins:\n"
        "  - group: patches\n"
        "    name: glow\n"
        f"    entry_point: {entry_point}\n"
        "    description: Make frames glow\n"
        "    platforms: [rknn]\n"
        "    default_config_overrides:\n"
        "      patches: {webrtc: false}\n"
        "      services: {acme: {a: 1, b: 2}}\n"
        "    env: {ACME_TOKEN: {required: true}}\n",
        encoding="utf-8",
    )
    config = coral_config(platform="rknn", services={"acme": {"b": 3}})
    coral_activation(entry_point=entry_point, config=config).assert_failed(
        GLOW, "`patches:glow` needs the environment variable `ACME_TOKEN`"
    )
    monkeypatch.setenv("ACME_TOKEN", "secret")
    coral_activation(entry_point=entry_point, config=config).assert_activated(GLOW)
    coral_activation(entry_point=entry_point).assert_failed(GLOW, "applies to rknn only")


def test_a_plugin_that_isn_t_installed(coral_activation: ActivationHarness) -> None:
    activation = coral_activation(GLOW)
    assert _message(activation) == (
        "`patches:glow` isn't active; it is not-run: no distribution that is installed offers "
        "`patches:glow`\n"
        "  hint: install the project, e.g. with `pip install --editable .`"
    )


def test_arguments_that_can_t_be_right(coral_activation: ActivationHarness) -> None:
    def refusal(*plugins: str, **arguments: str) -> str:
        with pytest.raises(ValueError, match=r"[a-z]") as refused:
            coral_activation(*plugins, **arguments)  # type: ignore[arg-type]
        return str(refused.value)

    either = "name plugins by their ids, or an `entry_point`, and not both"
    assert refusal() == refusal(GLOW, entry_point="a:b") == either
    assert refusal("glow") == "a plugin id is written `<group>:<name>`, not `glow`"
    assert refusal(entry_point="a") == "an entry point is written `module:attribute`, not `a`"
    assert refusal(entry_point="a:b", group="patch") == (
        "the group is one of backends, patches, workflows, not `patch`"
    )


def test_a_file_where_a_package_should_be(site: Path, coral_activation: ActivationHarness) -> None:
    (site / "acme_single.py").write_text(module_text(), encoding="utf-8")
    coral_activation(entry_point="acme_single:register").assert_activated(GLOW)


def test_a_spec_that_must_be_probed(site: Path, coral_activation: ActivationHarness) -> None:
    text = HEAD + (
        "def activate(config): return True\n"
        "def register(): return PluginSpec('-'.join(['glow', 'worm']), activate)\n"
    )
    entry_point = write_package(site, "acme_probed", text)
    coral_activation(entry_point=entry_point).assert_activated("patches:glow-worm")


def test_the_host_s_own_discovery_is_off(site: Path, coral_activation: ActivationHarness) -> None:
    body = "import os\nreturn os.environ['CORAL_ENABLE_PLUGINS'] == '0'"
    entry_point = write_package(site, "acme_quiet", module_text(body))
    coral_activation(entry_point=entry_point).assert_activated(GLOW)
    assert os.environ["CORAL_ENABLE_PLUGINS"] == "0"
    assert any(isinstance(finder, RuntimeShim) for finder in sys.meta_path)
