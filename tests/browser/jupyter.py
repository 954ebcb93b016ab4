"""A JupyterLab of the tests' own, on loopback with a token, and notebooks in it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import nbformat
from playwright.sync_api import Page

from workbench.stack.ports import HOST, choose

ROOT = Path(__file__).parents[2]
_STARTS_WITHIN = 90.0
#: What a notebook on two busy cores may take.
PATIENCE_MS = 120_000


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path

    def write(self, name: str, *cells: str) -> None:
        """Put a notebook into its folder."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"display_name": "Python 3", "name": "python3"}},
        )
        nbformat.write(notebook, self.folder / name)

    def run_all(self, page: Page, name: str) -> None:
        """Open a notebook in a workspace of its own, and run all its cells to their end."""
        space = name.removesuffix(".ipynb")
        page.goto(f"{self.url}/lab/workspaces/{space}/tree/{name}?token={self.token}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE_MS)
        page.wait_for_function(
            "() => { const p = window.jupyterapp?.shell.currentWidget;"
            " return p?.sessionContext?.session?.kernel?.status === 'idle'; }",
            timeout=PATIENCE_MS,
        )
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(
            "() => [...window.jupyterapp.shell.currentWidget.content.model.cells]"
            ".filter(c => c.type === 'code' && c.sharedModel.source.trim())"
            ".every(c => c.executionCount !== null)",
            timeout=PATIENCE_MS,
        )


@contextmanager
def running(folder: Path, state: Path) -> Iterator[Lab]:
    """Start JupyterLab in a project's folder; nothing of it is left afterwards."""
    port, token = choose(set()), secrets.token_hex(16)
    asked = state / "settings" / "@jupyterlab" / "apputils-extension"
    asked.mkdir(parents=True, exist_ok=True)
    # Else it asks in front of everything whether it may fetch news.
    (asked / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--expose-app-in-browser", f"--ServerApp.ip={HOST}", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WORKBENCH_PROJECT": str(folder),
        **{f"JUPYTER_{name}_DIR": str(state / name.lower()) for name in ("CONFIG", "RUNTIME")},
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "IPYTHONDIR": str(state / "ipython"),
    }
    with (state / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            lab = Lab(f"http://{HOST}:{port}", token, folder)
            _wait(lab, server, state / "log")
            yield lab
        finally:
            # It ends its kernels before itself.
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    while True:
        try:
            ask(f"{lab.url}/api/status?token={lab.token}", timeout=5).close()
        except (URLError, OSError):
            said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            assert server.poll() is None, f"JupyterLab ended: {said}"
            assert time.monotonic() < deadline, f"JupyterLab does not answer: {said}"
            time.sleep(0.25)
        else:
            return
