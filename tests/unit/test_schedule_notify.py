"""The notify hook: what it may be, what it is told, and that it harms nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import UsageError
from workbench.schedule import notify as hooks
from workbench.schedule.notify import check_target, notify, shown_target

TOLD: dict[str, Any] = {
    "event": "failure",
    "status": "failed",
    "report": "market_day",
    "failed_checks": [{"name": "volume"}, {"name": "trades; rm"}],
}


class Desk(HTTPServer):
    """An address that takes notes, or answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.location, self.heard = 204, "", []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/s3cret"


class _Handler(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Content-Type"], json.loads(body)))
        if self.server.answer == 0:
            self.server.over.wait(20)
            return
        self.send_response(self.server.answer)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def desk() -> Iterator[Desk]:
    server = Desk()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_gets_the_json(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    notice = notify(check_target(desk.url), TOLD, tmp_path)
    assert notice.ok and notice.detail is None
    assert desk.heard == [("/hook/s3cret", "application/json", TOLD)]
    assert "s3cret" not in notice.target


def test_an_address_that_refuses_is_recorded(desk, tmp_path):
    desk.answer = 500
    notice = notify(desk.url, TOLD, tmp_path)
    assert not notice.ok and notice.detail == "answered 500 Internal Server Error"


def test_nothing_is_sent_on_to_another_address(desk, tmp_path):
    desk.answer, desk.location = 302, "http://example.com/"
    notice = notify(desk.url, TOLD, tmp_path)
    assert notice.detail == "answered 302 Found" and len(desk.heard) == 1


def test_an_address_that_does_not_answer_holds_nobody_up(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "WEBHOOK_TIMEOUT_S", 0.2)
    desk.answer = 0
    notice = notify(desk.url, TOLD, tmp_path)
    assert not notice.ok and "timed out" in notice.detail


def test_an_address_where_nobody_listens_is_recorded(tmp_path):
    notice = notify("http://127.0.0.1:1/s3cret", TOLD, tmp_path)
    assert not notice.ok and "refused" in notice.detail and "s3cret" not in str(notice)


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com/hook",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "http://10.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "https://user:pw@example.com/",
        "https://example.com/a b",
        "https://example.com:port/",
        "no-such-program --x",
        "",
        "'unclosed",
    ],
)
def test_a_hook_that_cannot_be_called_is_refused(text):
    with pytest.raises(UsageError) as error:
        check_target(text)
    assert "pw" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["https://example.com/T0", "http://localhost:8080/", "http://[::1]:80/", "HTTPS://x.org"],
)
def test_an_address_that_nobody_reads_on_the_way_is_taken(text):
    assert check_target(text) == text


def test_a_command_gets_json_variables_and_the_project_and_no_shell(tmp_path):
    script = tmp_path / "hook"
    script.write_text('#!/bin/sh\ncat >in.json\nprintf "%s" "$REPORT_FAILED_CHECKS" >checks\n'
                      'printf "%s|" "$@" >arguments\n')  # fmt: skip
    script.chmod(0o755)
    target = check_target(f"{script} 'a b' '$(touch x)' '*'")
    assert notify(target, TOLD, tmp_path).ok
    assert json.loads((tmp_path / "in.json").read_text()) == TOLD
    assert (tmp_path / "checks").read_text() == "volume\ntrades; rm"
    assert (tmp_path / "arguments").read_text() == "a b|$(touch x)|*|"
    assert not (tmp_path / "x").exists()


def test_a_timer_finds_the_program_of_a_command(tmp_path, monkeypatch):
    (tmp_path / "hook").write_text("#!/bin/sh\n")
    (tmp_path / "hook").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert check_target("hook --to desk") == f"{tmp_path}/hook --to desk"


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "COMMAND_TIMEOUT_S", 0.3)
    script = "sleep 60 & echo $! >child; wait"
    notice = notify(f"/bin/sh -c '{script}'", TOLD, tmp_path)
    assert not notice.ok and "not done after" in notice.detail
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    until = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_command_that_leaves_something_running_holds_nobody_up(tmp_path):
    assert notify("/bin/sh -c 'sleep 60 & echo $! >child'", TOLD, tmp_path).ok
    # It still runs, with the output open that it was given.
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_a_program_that_went_away_is_recorded(tmp_path):
    notice = notify("/nowhere/hook --token s3cret", TOLD, tmp_path)
    assert not notice.ok and "s3cret" not in str(notice)


@pytest.mark.parametrize(
    "command",
    [
        "/bin/sh -c 'echo bad s3cret in the log; exit 1' --token s3cret",
        "/bin/sh -c 'echo bad s3cret in the log; exit 1' --api-key=s3cret",
        "/bin/sh -c 'echo bad s3cret in the log; exit 1' 'Authorization: s3cret'",
        "/bin/sh -c 'echo https://me:s3cret@example.com/; exit 1'",
    ],
)
def test_secrets_are_neither_shown_nor_kept(tmp_path, command):
    notice = notify(command, TOLD, tmp_path)
    assert notice.detail.startswith("ended with 1: ") and "s3cret" not in notice.detail
    # What a script says in its own text is not known to be one.
    assert "s3cret" not in shown_target(command).replace("bad s3cret in the log", "")


def test_an_address_is_shown_without_what_makes_it_secret():
    assert shown_target("https://x.org") == "https://x.org"
    assert shown_target("https://x.org/?token=s3cret") == "https://x.org/(hidden)"
