"""Points of small order, found by adding them up as RFC 8032 does."""

from __future__ import annotations

from coral_lock.signing.weak_keys import is_weak

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def added(one: Point, other: Point) -> Point:
    (x, y), (u, v) = one, other
    product = D * x * u * y * v
    return (
        (x * v + u * y) * pow(1 + product, -1, P) % P,
        (y * v + x * u) * pow(1 - product, -1, P) % P,
    )


def decoded(y: int) -> Point | None:
    """Return a point with this y coordinate, None where the curve has none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return None if (x * x - square) % P else (x, y)


def is_of_small_order(y: int) -> bool | None:
    point = decoded(y)
    if point is None:
        return None
    for _ in range(3):
        point = added(point, point)
    return point == (0, 1)


def encoded(y: int, sign: int = 0) -> str:
    return (y | sign << 255).to_bytes(32, "little").hex()


ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
WEAK = (0, 1, P - 1, ORDER_8, P - ORDER_8)


def test_each_is_of_small_order_and_refused_in_each_encoding() -> None:
    for y in WEAK:
        assert is_of_small_order(y)
        for again in (y, y + P):
            if again < 2**255:
                assert is_weak(encoded(again))
                assert is_weak(encoded(again, sign=1))


def test_there_are_eight_of_them() -> None:
    points = {point for y in WEAK if (point := decoded(y))}
    points |= {(-x % P, y) for x, y in points}
    assert len(points) == 8
    assert {added(one, other) for one in points for other in points} == points


def test_no_other_is() -> None:
    base = 4 * pow(5, -1, P) % P
    for y in (base, *range(2, 60)):
        assert not is_of_small_order(y)
        assert not is_weak(encoded(y))
