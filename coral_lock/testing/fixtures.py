"""The types of the fixtures, for annotations in tests.

`coral_config` is a `ConfigBuilder`, `coral_host` a `FakeHost`, `coral_activation` an
`ActivationHarness`, which returns an `Activation`. `install_shim` makes
`coral_inference.runtime.plugins` importable where no host is installed, as a start does.
"""

from coral_lock.plugin.shim import install_shim
from coral_lock.testing.harness import Activation, ActivationHarness
from coral_lock.testing.host import ConfigBuilder, FakeHost

__all__ = ["Activation", "ActivationHarness", "ConfigBuilder", "FakeHost", "install_shim"]
