"""Print the size of the package: modules and lines of code, in all and for each package.

A line of code is one that holds a token of a statement: blank lines, comments and docstrings
aren't counted, nor are strings that document an attribute.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

from tests.support.wheelhouse import REPOSITORY

PACKAGE = REPOSITORY / "coral_lock"
_NO_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
)


def code_lines(source: str) -> int:
    """Return how many lines of `source`, a module's text, are code."""
    documentation = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - documentation)


def sizes(package: Path) -> dict[str, tuple[int, int]]:
    """Return the modules and the lines of code of each package within `package`, and of itself."""
    modules: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for path in sorted(package.rglob("*.py")):
        inner = path.relative_to(package).parts[:-1]
        name = "/".join([package.name, *inner[:1]])
        modules[name] += 1
        lines[name] += code_lines(path.read_text(encoding="utf-8"))
    return {name: (modules[name], lines[name]) for name in sorted(modules)}


def main() -> None:
    found = sizes(PACKAGE)
    print(f"{'package':28}{'modules':>8}{'lines of code':>15}")
    for name, (modules, lines) in found.items():
        print(f"{name:28}{modules:8}{lines:15,}")
    modules, lines = (sum(column) for column in zip(*found.values(), strict=True))
    print(f"{'in all':28}{modules:8}{lines:15,}")


if __name__ == "__main__":
    main()
