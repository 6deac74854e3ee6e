"""`trust`: what a device has accepted, and whose signatures count."""

from __future__ import annotations

import hashlib

from tests.support.device import Outcome
from tests.support.signed import LOCK, OTHER_LOCK, Signing

SHA256 = hashlib.sha256(LOCK.encode()).hexdigest()
OTHER_SHA256 = hashlib.sha256(OTHER_LOCK.encode()).hexdigest()


def shown(signing: Signing, *options: str) -> Outcome:
    return signing.work.coral("trust", "--keyring=keyring", "--trust-dir=trust", *options)


def test_before_anything_is_accepted(signing: Signing) -> None:
    signing.keyring("keyring", "old", configuration="channel: beta\nfloors: {beta: 3}\n")
    (signing.directory / "trust").mkdir(mode=0o755)
    assert shown(signing).require(0).stdout == (
        "channel beta, which is that of this device\n"
        "  accepted: nothing\n"
        f"  keys: {signing.short('old')}; threshold 1; from the keyring\n"
        "  floor of the keyring: 3\n"
    )


def test_after_a_lock_brought_keys(signing: Signing) -> None:
    signing.keyring("both", "old", "new", configuration="threshold: 2\n")
    signing.released(5, "old", trust="both")
    signing.accepted()
    signing.released(4, "old", "new", lock=OTHER_LOCK)
    signing.accepted("--keep-previous", "--allow-rollback=it fails")
    before = signing.record.read_bytes()
    both = signing.short("old", "new")
    floors = ", ".join(f"{each} 5" for each in both.split(", "))
    assert shown(signing).require(0).stdout == (
        "channel default, which is that of this device\n"
        f"  accepted: serial 4, signed by {both}\n"
        f"    sha256 {OTHER_SHA256}\n"
        "    although it is older: it fails\n"
        f"  previous: serial 5, signed by {signing.short('old')}\n"
        f"    sha256 {SHA256}\n"
        f"  keys: {both}; threshold 2; a lock brought them\n"
        f"  floors: {floors}\n"
    )
    ids = sorted((signing.ids["old"], signing.ids["new"]))
    assert shown(signing, "--output-format=json").require(0).json() == {
        "channel": "default",
        "channels": {
            "default": {
                "accepted": {
                    "sha256": OTHER_SHA256,
                    "serial": 4,
                    "signers": ids,
                    "rollback": "it fails",
                },
                "previous": {
                    "sha256": SHA256,
                    "serial": 5,
                    "signers": [signing.ids["old"]],
                    "rollback": None,
                },
                "floors": dict.fromkeys(ids, 5),
                "configured_floor": None,
                "keys": {"from": "lock", "ids": ids, "threshold": 2},
            }
        },
    }
    assert signing.record.read_bytes() == before


def test_what_a_file_of_signatures_says(signing: Signing) -> None:
    signing.keyring("only-new", "new")
    signing.released(5, "old", trust="only-new")
    words = ("trust", "--signature=coral.lock.sig")
    assert signing.work.coral(*words).require(0).stdout == (
        "serial 5 of the channel default\n"
        f"  sha256 {SHA256}\n"
        f"  signatures, not verified: {signing.short('old')}\n"
        f"  brings the keys {signing.short('new')}; threshold 1\n"
    )
    assert signing.work.coral(*words, "--output-format=json").require(0).json() == {
        "channel": "default",
        "serial": 5,
        "sha256": SHA256,
        "key_ids": [signing.ids["old"]],
        "trust": {"ids": [signing.ids["new"]], "threshold": 1},
    }
