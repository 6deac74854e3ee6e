"""The fixtures for authors of plugins, which pytest loads by the entry point `coral_lock`.

Every run of pytest in the environment imports this module, so it imports nothing else
until a test asks for a fixture.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.testing.fixtures import ActivationHarness, ConfigBuilder, FakeHost


@pytest.fixture
def coral_config() -> ConfigBuilder:
    """Build the `RuntimeConfig` that a plugin is handed.

    `coral_config(platform="rknn", services={…}, patches={…})` takes what isn't given from
    the defaults; `coral_config("runtime.yaml", …)` takes it from a descriptor.
    """
    from coral_lock.testing.fixtures import ConfigBuilder

    return ConfigBuilder()


@pytest.fixture
def coral_host(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> FakeHost:
    """Make this environment look as if a host of chosen versions were installed.

    `coral_host(core="0.0.4", inference="0.58.0")` holds until the end of the test or the
    next call. Only the versions are faked: there is nothing to import.
    """
    from coral_lock.testing.fixtures import FakeHost

    return FakeHost(str(tmp_path_factory.mktemp("coral_host")), monkeypatch)


@pytest.fixture
def coral_activation() -> Iterator[ActivationHarness]:
    """Activate plugins as `coral-runtime init --locked` does, and look at the report.

    `coral_activation("patches:camera_stabilizer")` names plugins that are installed;
    `coral_activation(entry_point="package.module:factory")` names one that need not be.
    With `fresh=True` it happens in a fresh interpreter. What an activation changes in this
    process is put back at the end of the test; see `ActivationHarness` for what can't be.
    """
    from coral_lock.testing.activation import ActivationHarness

    harness = ActivationHarness()
    yield harness
    harness.restore()
