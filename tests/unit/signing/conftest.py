from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.signed import Signing


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return Signing(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def signing(made_keys: Signing, tmp_path: Path) -> Signing:
    """A directory with keys and a lock that isn't signed yet."""
    return made_keys.copied(tmp_path / "work")


@pytest.fixture
def signed(signing: Signing) -> Signing:
    """A lock with the serial 5, signed by `old`."""
    signing.released(5, "old")
    return signing
