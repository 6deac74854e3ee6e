"""What stands in for forges: a runner of the action's steps, `gh`, and GitLab's interface."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.environments import clean_environment

TOKEN = "glpat-that-may"

_PYTHON = """#!/bin/sh
# An environment whose pip installs nothing, and which has the coral-runtime that is tested.
if [ "$1 $2 $3" != "-I -m venv" ]; then exit 64; fi
mkdir -p "$4/bin"
ln -sf {coral} "$4/bin/coral-runtime"
cat > "$4/bin/python" <<'END'
#!/bin/sh
if [ "$2" = "-m" ]; then printf '%s\\n' "$@" > "$PIP_CALL"; else exec {python} "$@"; fi
END
chmod +x "$4/bin/python"
"""

_GH = '''#!{python}
"""`gh api` for the comments of the pull request 7 of acme/robots."""
import json, os, pathlib, re, sys
import jq

if os.environ.get("GH_TOKEN") != "may-write":
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
words = iter(sys.argv[1:])
fields, expression, endpoint = {{}}, None, None
assert next(words) == "api"
for word in words:
    if word in ("--field", "--raw-field"):
        name, _, value = next(words).partition("=")
        if word == "--field":
            value = pathlib.Path(value[1:]).read_text("utf-8") if value[0] == "@" else int(value)
        fields[name] = value
    elif word == "--jq":
        expression = jq.compile(next(words))
    elif word not in ("--paginate", "--silent"):
        assert endpoint is None, word
        endpoint = word
path = pathlib.Path(os.environ["COMMENTS"])
comments = json.loads(path.read_text("utf-8"))
if endpoint != "graphql":
    assert endpoint == "repos/acme/robots/issues/7/comments", endpoint
    comments.append({{"id": f"IC_{{len(comments)}}", "viewerDidAuthor": True, **fields}})
else:
    query = fields.pop("query")
    assert set(re.findall(r"\\$(\\w+): ", query)) - {{"endCursor"}} == set(fields)
    if "updateIssueComment(" in query:
        (comment,) = (each for each in comments if each["id"] == fields["id"])
        comment["body"] = fields["body"]
    else:
        assert fields == {{"owner": "acme", "name": "robots", "number": 7}}, fields
        for comment in comments:
            page = {{"pullRequest": {{"comments": {{"nodes": [comment]}}}}}}
            for each in expression.input_value({{"data": {{"repository": page}}}}):
                print(each)
path.write_text(json.dumps(comments), "utf-8")
'''


def stand_ins(directory: Path) -> Path:
    """Write `python3` and `gh` into a new directory, and return it for the search path."""
    directory.mkdir()
    coral = Path(sys.executable).parent / "coral-runtime"
    for name, text in (("python3", _PYTHON), ("gh", _GH)):
        path = directory / name
        path.write_text(text.format(python=sys.executable, coral=coral), encoding="utf-8")
        path.chmod(0o755)
    return directory


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """How a job ended.

    Attributes:
        code: the exit code of its last step.
        log: what it printed.
        outputs: what its steps set.
    """

    code: int
    log: str
    outputs: Mapping[str, str] = field(default_factory=dict)


def run_script(script: str, directory: Path, variables: Mapping[str, str]) -> Job:
    """Run a script as a runner does, in its shell and with nothing but these variables."""
    end = subprocess.run(
        ("sh", "-e", "-c", script),
        cwd=directory,
        env=clean_environment({"GIT_CONFIG_GLOBAL": "/dev/null", "no_proxy": "*", **variables}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Job(code=end.returncode, log=end.stdout)


def run_action(
    action: Mapping[str, Any],
    directory: Path,
    context: Mapping[str, str],
    variables: Mapping[str, str],
) -> Job:
    """Run the steps of a composite action, until one fails.

    Args:
        action: its metadata.
        directory: the work tree.
        context: the values of expressions, like `github.token` and `inputs.lock`; inputs that
            aren't in it have their defaults.
        variables: those of the environment.
    """
    values = dict(context)
    for name, each in action["inputs"].items():
        values.setdefault(f"inputs.{name}", _evaluated(each["default"], values))
    code, log = 0, ""
    output = directory.parent / "output"
    for step in action["runs"]["steps"]:
        output.write_text("", encoding="utf-8")
        own = {name: _evaluated(text, values) for name, text in step.get("env", {}).items()}
        assert step["shell"] == "sh"
        job = run_script(step["run"], directory, {**variables, **own, "GITHUB_OUTPUT": str(output)})
        for line in output.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            values[f"steps.{step['id']}.outputs.{name}"] = value
        code, log = job.code, log + job.log
        if code:
            break
    outputs = {name: _evaluated(each["value"], values) for name, each in action["outputs"].items()}
    return Job(code=code, log=log, outputs=outputs)


def _evaluated(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values.get(match[1], ""), text)


class GitLab(ThreadingHTTPServer):
    """The notes of one merge request, two on a page.

    Attributes:
        notes: the notes; those of the token's user have the author 1.
    """

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v4"


class _Handler(BaseHTTPRequestHandler):
    server: GitLab

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/api/v4/user":
            return self._answer({"id": 1})
        assert url.path == "/api/v4/projects/12/merge_requests/7/notes"
        page = int(parse_qs(url.query)["page"][0])
        return self._answer(self.server.notes[2 * page - 2 : 2 * page])

    def do_POST(self) -> None:
        assert self.path == "/api/v4/projects/12/merge_requests/7/notes"
        note = {"id": len(self.server.notes), "author": {"id": 1}, "body": self._body()}
        self.server.notes.append(note)
        self._answer(note)

    def do_PUT(self) -> None:
        number = self.path.removeprefix("/api/v4/projects/12/merge_requests/7/notes/")
        self.server.notes[int(number)]["body"] = self._body()
        self._answer({})

    def _body(self) -> str:
        content = self.rfile.read(int(self.headers["Content-Length"])).decode()
        return parse_qs(content, strict_parsing=True)["body"][0]

    def _answer(self, document: object) -> None:
        may = self.headers["PRIVATE-TOKEN"] == TOKEN
        self.send_response(200 if may else 401)
        self.end_headers()
        self.wfile.write(json.dumps(document if may else {"message": "401"}).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def gitlab() -> Iterator[GitLab]:
    """A GitLab that answers as long as the context lasts."""
    with GitLab() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
