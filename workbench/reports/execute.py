"""Execute a notebook by papermill: a kernel of this project, and limits for cell and whole run."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import workbench
from workbench.config import Settings

ENGINE = "workbench"


@dataclass(frozen=True)
class Execution:
    """What became of a notebook.

    Parameters
    ----------
    notebook
        The notebook as far as it came; None where no kernel started.
    kernel_s, cells_s
        Seconds until the kernel answered, and in its cells.
    error, kind
        Why it stopped early, in one line; ``timeout`` or ``kernel``. None for errors of cells,
        which are in the notebook.
    """

    notebook: Any
    kernel_s: float
    cells_s: float
    error: str | None = None
    kind: str | None = None


class _Clock:
    """When things happened in the engine, and whether it had to end the kernel."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.began = time.monotonic()
        self.ready: float | None = None
        self.timed_out = False
        #: What is being executed, as far as it has come.
        self.notebook: Any = None

    @contextmanager
    def limit(self, kernel: Any) -> Iterator[None]:
        """Kill the kernel, and what it has started, when the whole run takes too long."""
        self.ready = time.monotonic()

        def kill() -> None:
            self.timed_out = True
            with suppress(OSError):
                os.killpg(os.getpgid(kernel.provisioner.pid), signal.SIGKILL)

        timer = threading.Timer(self.timeout_s - (self.ready - self.began), kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def execute(
    settings: Settings,
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    cell_timeout_s: int,
    timeout_s: int,
    meanwhile: Callable[[], None] | None = None,
) -> Execution:
    """Run a notebook with these parameters and write what came out.

    Parameters
    ----------
    settings
        The settings in force; the kernel works in the project's folder.
    source, target
        The notebook, and the file its executed copy is written to, cell by cell.
    parameters
        What is injected after the cell tagged ``parameters``.
    environment
        Variables of the kernel beside those of this process.
    cell_timeout_s, timeout_s
        Seconds one cell may take, and the whole. The kernel is killed at the second.
    meanwhile
        Called in a thread while the kernel works.
    """
    papermill = _papermill()
    if meanwhile:
        threading.Thread(target=meanwhile, daemon=True).start()
    clock = _Clock(timeout_s)
    error = kind = None
    notebook: Any = None
    with _kernel_environment(settings, target.parent.parent, environment):
        try:
            notebook = papermill.execute_notebook(
                str(source),
                str(target),
                parameters=dict(parameters),
                engine_name=ENGINE,
                kernel_name="python3",
                language="python",
                cwd=str(settings.project),
                progress_bar=False,
                # Whole, at the end: after each cell it would take a second in all.
                request_save_on_cell_execute=False,
                execution_timeout=min(cell_timeout_s, timeout_s),
                clock=clock,
                # Errors only: that a kernel on loopback does not encrypt is no news to anybody.
                extra_arguments=["--log-level=50"],
            )
        except papermill.PapermillExecutionError:
            pass
        except TimeoutError:
            kind = "timeout"
            error = f"a cell took longer than {min(cell_timeout_s, timeout_s)} s"
        except RuntimeError as failure:
            kind = "timeout" if clock.timed_out else "kernel"
            said = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
            error = f"it took longer than {timeout_s} s in all" if clock.timed_out else said
    ended = time.monotonic()
    ready = clock.ready or ended
    if notebook is None and clock.notebook is not None:
        notebook = clock.notebook
        papermill.iorw.write_ipynb(notebook, str(target))
    return Execution(notebook, ready - clock.began, ended - ready, error, kind)


def _papermill() -> Any:
    """Return papermill, with an engine that keeps the limit; loaded here as it takes a while."""
    # jsonschema would build a grammar of internationalised addresses, for a second, which no
    # notebook has. It does without where the package is missing.
    grammar = "rfc3987_syntax"
    hidden = grammar not in sys.modules
    if hidden:
        sys.modules[grammar] = None  # type: ignore[assignment]
    try:
        import papermill
    finally:
        if hidden:
            sys.modules.pop(grammar, None)
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.log import logger
    from papermill.utils import remove_args

    # It does not know a default with a type; names are checked before it is called.
    logger.setLevel(logging.ERROR)

    class Client(PapermillNotebookClient):  # type: ignore[misc]
        clock: _Clock

        def papermill_execute_cells(self) -> None:
            with self.clock.limit(self.km):
                super().papermill_execute_cells()

    class Engine(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(
            cls,
            nb_man: Any,
            kernel_name: str,
            *,
            clock: _Clock,
            execution_timeout: int,
            start_timeout: int = 60,
            **options: Any,
        ) -> Any:
            unused = ["input_path", "timeout", "startup_timeout", "stdout_file", "stderr_file"]
            client = Client(
                nb_man,
                timeout=execution_timeout,
                startup_timeout=start_timeout,
                kernel_name=kernel_name,
                log=logger,
                **remove_args(unused, **options),
            )
            client.clock = clock
            clock.notebook = nb_man.nb
            return client.execute()

    papermill_engines.register(ENGINE, Engine)
    return papermill


@contextmanager
def _kernel_environment(
    settings: Settings, scratch: Path, given: Mapping[str, str]
) -> Iterator[None]:
    """What the kernel inherits: this project, this code, and no start-up files of a person."""
    profile = scratch / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    # Otherwise every run says that a kernel on loopback is not encrypted.
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")
    package = str(Path(workbench.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    changes = {
        "WORKBENCH_PROJECT": str(settings.project.resolve()),
        "PYTHONPATH": path,
        "IPYTHONDIR": str(scratch / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        **given,
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
