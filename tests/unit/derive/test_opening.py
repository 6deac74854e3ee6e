"""What a command line tells of hosts, before anything is opened."""

from __future__ import annotations

import pytest

from coral_lock.descriptor.model import HostVersions
from coral_lock.errors import UsageError
from tests.support.refusals import told


@pytest.mark.parametrize("version", [None, "0.0.4", "1!2.0rc1", "2.1+cu118"])
def test_versions_of_hosts(version: str | None) -> None:
    versions = HostVersions(core=version, inference=version)
    assert (versions.core, versions.inference) == (version, version)


@pytest.mark.parametrize("version", ["banana", "", ">=1.0", "1.0 ", "0.0.4\n"])
@pytest.mark.parametrize("role", ["core", "inference"])
def test_what_is_no_version(role: str, version: str) -> None:
    with pytest.raises(UsageError) as caught:
        HostVersions(**{role: version})
    assert told(caught.value) == {
        "message": f"`--{role}-version` isn't a version",
        "expected": "a version (PEP 440), like `0.0.4`",
        "found": f"`{version}`",
        "where": None,
        "hint": None,
    }
