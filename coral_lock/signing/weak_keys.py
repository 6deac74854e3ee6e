"""Ed25519 public keys for which anybody can make signatures: the points of small order.

https://www.rfc-editor.org/rfc/rfc8032 doesn't demand that they are refused, and libraries verify
with them: for the neutral element, one signature is valid for a share of all messages.
"""

from __future__ import annotations

_PRIME = 2**255 - 19
_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK = frozenset({0, 1, _PRIME - 1, _OF_ORDER_8, _PRIME - _OF_ORDER_8})
"""The y coordinates of the eight points whose order divides 8."""


def is_weak(public: str) -> bool:
    """Whether a public key is a point of small order, however it is encoded.

    Args:
        public: the 32 bytes of the key, in hexadecimal.
    """
    encoded = int.from_bytes(bytes.fromhex(public), "little")
    return encoded % 2**255 % _PRIME in _WEAK
