"""ELF files made by hand, which state where the loader looks for what they need."""

from __future__ import annotations

import struct

RPATH, RUNPATH = 15, 29


def elf(*entries: tuple[int, str], is_wide: bool = True, order: str = "<") -> bytes:
    """Return an ELF file with these texts in its dynamic section, and little else."""
    head, row = (64, 56) if is_wide else (52, 32)
    base = 0x1000
    strings, rows = b"\0", []
    for tag, text in entries:
        rows.append((tag, len(strings)))
        strings += text.encode() + b"\0"
    start = head + 2 * row
    rows += [(5, base + start), (0, 0)]
    dynamic = b"".join(struct.pack(order + ("qQ" if is_wide else "iI"), *each) for each in rows)
    content = strings + dynamic
    place = start + len(strings)
    if is_wide:
        segment = struct.Struct(order + "IIQQQQQQ")
        table = segment.pack(1, 4, 0, base, base, start + len(content), 0, 0)
        table += segment.pack(2, 4, place, base + place, 0, len(dynamic), 0, 0)
        rest = struct.pack(order + "HHIQQQI6H", 3, 62, 1, 0, head, 0, 0, head, row, 2, 0, 0, 0)
    else:
        segment = struct.Struct(order + "8I")
        table = segment.pack(1, 0, base, base, start + len(content), 0, 4, 0)
        table += segment.pack(2, place, base + place, 0, len(dynamic), 0, 4, 0)
        rest = struct.pack(order + "HHIIIII6H", 3, 3, 1, 0, head, 0, 0, head, row, 2, 0, 0, 0)
    ident = b"\x7fELF" + bytes((2 if is_wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    return ident + rest + table + content
