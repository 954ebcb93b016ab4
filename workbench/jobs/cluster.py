"""Flink's REST interface, as far as the workbench needs it."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench.errors import StackError

#: A savepoint of a job on a laptop takes a second; this is when waiting for one is given up.
SAVEPOINT_TIMEOUT_S = 180
TERMINAL = ("FINISHED", "CANCELED", "FAILED")
# A cluster is on this machine or in this network: a proxy of the environment is for the web.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class JobState:
    """A job as the cluster sees it."""

    id: str
    name: str
    state: str
    since: datetime

    @property
    def runs(self) -> bool:
        """Whether the job is there at all: running, starting or restarting."""
        return self.state not in TERMINAL


class Cluster:
    """A Flink cluster behind its REST endpoint.

    Parameters
    ----------
    url
        ``http://host:port`` of the JobManager.
    timeout_s
        How long an answer may take.
    """

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s

    def _ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as answer:
                text = answer.read()
                return json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            detail = str(error)
            with suppress(OSError, http.client.HTTPException):
                detail = error.read().decode("utf-8", "replace").strip() or detail
            with suppress(ValueError, KeyError, IndexError, TypeError):
                detail = str(json.loads(detail)["errors"][0]).strip() or detail
            raise StackError(
                f"the Flink cluster refused {path}: {detail.splitlines()[0][:300]}",
                hint=f"see {self.url}",
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Nobody there, a connection that broke off, or somebody who is no Flink.
            raise StackError(
                f"no Flink cluster answers at {self.url}",
                hint="start it with `workbench stack up`, or set flink.rest_url",
            ) from error

    def slots(self) -> tuple[int, int]:
        """Return the free slots and all slots."""
        overview = self._ask("/overview")
        return int(overview["slots-available"]), int(overview["slots-total"])

    def jobs(self) -> list[JobState]:
        """Return every job the cluster remembers, the newest first."""
        found = [
            JobState(
                job["jid"],
                job["name"],
                job["state"],
                datetime.fromtimestamp(job["start-time"] / 1000, UTC),
            )
            for job in self._ask("/jobs/overview")["jobs"]
        ]
        return sorted(found, key=lambda job: (job.since, job.id), reverse=True)

    def job(self, name: str) -> JobState | None:
        """Return the newest job of this name, running ones first; None where there is none."""
        return self.newest(self.jobs(), name)

    @staticmethod
    def newest(jobs: list[JobState], name: str) -> JobState | None:
        """Return the same of jobs that are known already, the newest first."""
        of_name = [job for job in jobs if job.name == name]
        return next((job for job in of_name if job.runs), of_name[0] if of_name else None)

    def state(self, job_id: str) -> str:
        """Return the state of a job; of a running one, ``STARTING`` until all its tasks run."""
        job = self._ask(f"/jobs/{job_id}")
        state = str(job["state"])
        if state == "RUNNING" and any(v["status"] != "RUNNING" for v in job["vertices"]):
            finished = all(v["status"] in ("RUNNING", "FINISHED") for v in job["vertices"])
            return "RUNNING" if finished else "STARTING"
        return state

    def parallelism(self, job_id: str) -> int:
        """Return the slots a job takes: the parallelism of its widest part."""
        return max(int(v["parallelism"]) for v in self._ask(f"/jobs/{job_id}")["vertices"])

    def checkpoint_settings(self, job_id: str) -> dict[str, Any]:
        """Return how a job makes checkpoints, as Flink gives it."""
        found: dict[str, Any] = self._ask(f"/jobs/{job_id}/checkpoints/config")
        return found

    def problem(self, job_id: str) -> str | None:
        """Return the last failure of a job as one line; None where there was none."""
        history = self._ask(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {})
        entries = history.get("entries", [])
        if not entries:
            return None
        lines = [line.strip() for line in str(entries[0]["stacktrace"]).splitlines()]
        causes = [line for line in lines if line.startswith("Caused by: ")]
        return (causes[-1].removeprefix("Caused by: ") if causes else lines[0])[:400]

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Return counts and the latest checkpoint of a job, as Flink gives them."""
        found: dict[str, Any] = self._ask(f"/jobs/{job_id}/checkpoints")
        return found

    def source_metric(self, job_id: str, name: str) -> int:
        """Return the sum of a metric over the sources of a job and their subtasks.

        Parameters
        ----------
        job_id
            The job.
        name
            How the metric's name ends, for example ``.numRecordsIn``.
        """
        total = 0
        for vertex in self._ask(f"/jobs/{job_id}")["vertices"]:
            path = f"/jobs/{job_id}/vertices/{vertex['id']}/metrics"
            names = [
                metric["id"]
                for metric in self._ask(path)
                if ".Source__source" in metric["id"] and metric["id"].endswith(name)
            ]
            if names:
                values = self._ask(f"{path}?get=" + urllib.parse.quote(",".join(names), safe=","))
                total += sum(int(float(value["value"])) for value in values)
        return total

    def vertices(self, job_id: str) -> list[tuple[str, str]]:
        """Return name and id of every task of a job."""
        return [(v["name"], v["id"]) for v in self._ask(f"/jobs/{job_id}")["vertices"]]

    def taskmanagers(self) -> list[str]:
        """Return the ids of the registered TaskManagers."""
        return [str(manager["id"]) for manager in self._ask("/taskmanagers")["taskmanagers"]]

    def runners(self, job_id: str) -> set[str]:
        """Return the ids of the TaskManagers in which the tasks of a job run."""
        paths = [f"/jobs/{job_id}/vertices/{v}/taskmanagers" for _, v in self.vertices(job_id)]
        return {
            str(manager["taskmanager-id"])
            for path in paths
            for manager in self._ask(path)["taskmanagers"]
        }

    def metric_names(self, path: str) -> list[str]:
        """Return the metrics that a job, a task or a TaskManager has now."""
        return [str(metric["id"]) for metric in self._ask(f"{path}/metrics")]

    def metrics(self, path: str, names: list[str]) -> dict[str, float]:
        """Return metrics of a job, a task or a TaskManager; those it does not have are left out."""
        if not names:
            return {}
        wanted = urllib.parse.quote(",".join(names), safe=",")
        found = self._ask(f"{path}/metrics?get={wanted}")
        return {metric["id"]: float(metric["value"]) for metric in found}

    def subtask_metrics(
        self, path: str, names: list[str]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return metrics of a task: the sums over its subtasks, and the largest of them."""
        found = self._ask(f"{path}/subtasks/metrics?get={','.join(names)}&agg=sum,max")
        return (
            {metric["id"]: float(metric["sum"]) for metric in found},
            {metric["id"]: float(metric["max"]) for metric in found},
        )

    def records_read(self, job_id: str) -> int:
        """Return how many records the sources of a job have read since it (re)started."""
        return self.source_metric(job_id, "].numRecordsIn")

    def checkpoint(self, job_id: str) -> None:
        """Make a checkpoint now, and wait until it is complete.

        Raises
        ------
        StackError
            When it failed or took too long.
        """
        trigger = self._ask(f"/jobs/{job_id}/checkpoints", {})["request-id"]
        operation = self._await(f"/jobs/{job_id}/checkpoints/{trigger}", job_id)
        if "failure-cause" in operation:
            raise StackError(
                f"job {job_id} could not make a checkpoint", hint="`workbench jobs status` shows it"
            )

    def cancel(self, job_id: str) -> None:
        """End a job without a savepoint."""
        self._ask(f"/jobs/{job_id}?mode=cancel", method="PATCH", body={})

    def stop_with_savepoint(self, job_id: str, folder: str, *, drain: bool) -> str:
        """Stop a job after a savepoint; return where the savepoint is.

        Parameters
        ----------
        job_id
            The job.
        folder
            URI of the folder the savepoint is made in.
        drain
            Whether the watermark goes to the end first, which closes every open window.

        Raises
        ------
        StackError
            When the savepoint failed (the job goes on) or took too long.
        """
        trigger = self._ask(f"/jobs/{job_id}/stop", {"drain": drain, "targetDirectory": folder})[
            "request-id"
        ]
        operation = self._await(f"/jobs/{job_id}/savepoints/{trigger}", job_id)
        if "location" in operation:
            return str(operation["location"])
        cause = operation.get("failure-cause", {}).get("stack-trace", "no cause given")
        raise StackError(
            f"job {job_id} could not be stopped: {cause.splitlines()[0][:300]}",
            hint="it goes on running; `workbench jobs status` shows it",
        )

    def _await(self, path: str, job_id: str) -> dict[str, Any]:
        """Poll an asynchronous operation until it is complete; return what came of it."""
        until = time.monotonic() + SAVEPOINT_TIMEOUT_S
        while time.monotonic() < until:
            answer = self._ask(path)
            if answer["status"]["id"] == "COMPLETED":
                operation: dict[str, Any] = answer["operation"]
                return operation
            time.sleep(0.1)
        raise StackError(
            f"job {job_id} made no savepoint or checkpoint in {SAVEPOINT_TIMEOUT_S} s",
            hint=f"see {self.url}",
        )
