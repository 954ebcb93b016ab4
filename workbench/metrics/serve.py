"""The endpoint that Prometheus scrapes; on loopback, and nowhere else."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from workbench.errors import UsageError
from workbench.metrics.collect import Collector
from workbench.metrics.samples import samples
from workbench.metrics.text import CONTENT_TYPE, exposition
from workbench.stack.ports import HOST

PATHS = ("/metrics", "/")
#: Scrapes that come within this time get the same answer.
_SAME_SECONDS = 1.0
_LOCAL_NAMES = (HOST, "localhost")


class Endpoint(ThreadingHTTPServer):
    """An HTTP server on loopback that answers with the metrics of now.

    Parameters
    ----------
    collector
        Asked at every scrape.
    port
        0 for a free one; `port` says which it became.

    Raises
    ------
    UsageError
        Where the port is in use.
    """

    daemon_threads = True

    def __init__(self, collector: Collector, port: int) -> None:
        self._collector = collector
        self._lock = threading.Lock()
        self._known: tuple[float, str] = (float("-inf"), "")
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be used: {error.strerror}", hint="choose another with --port"
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def text(self) -> str:
        """Return the metrics; one scrape at a time asks, others share its answer."""
        with self._lock:
            if time.monotonic() - self._known[0] > _SAME_SECONDS:
                text = exposition(samples(self._collector.collect()))
                self._known = (time.monotonic(), text)
            return self._known[1]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    server_version = "workbench"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        if self.headers.get("Host", HOST).rsplit(":", 1)[0] not in _LOCAL_NAMES:
            # A page in a browser whose name was made to point here.
            self.send_error(403)
        elif self.path.split("?")[0] not in PATHS:
            self.send_error(404)
        else:
            body = self.server.text().encode("utf-8")
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are no news."""
