"""The addresses of broker and cluster: the configured ones, else those of the embedded stack."""

from __future__ import annotations

import json
from dataclasses import dataclass

from workbench.config import Settings
from workbench.errors import StackError
from workbench.stack.files import Layout
from workbench.stack.ports import HOST
from workbench.stack.processes import recorded


@dataclass(frozen=True)
class Endpoints:
    """Where broker and cluster answer; an address nobody asked for may be empty."""

    #: ``host:port[,host:port...]``
    bootstrap_servers: str
    #: ``http://host:port`` of the JobManager, which is also its web page.
    rest_url: str


def read_ports(layout: Layout) -> dict[str, int]:
    """Return the ports the stack of a folder had last; empty where it never ran."""
    try:
        ports = json.loads(layout.state.read_text())["ports"]
        return {str(name): int(port) for name, port in ports.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def kafka_address(ports: dict[str, int]) -> str:
    return f"{HOST}:{ports['kafka']}"


def flink_address(ports: dict[str, int]) -> str:
    return f"http://{HOST}:{ports['flink_rest']}"


def endpoints(settings: Settings, *, kafka: bool = True, flink: bool = True) -> Endpoints:
    """Return where the broker and the cluster in force answer.

    Parameters
    ----------
    settings
        ``kafka.bootstrap_servers`` and ``flink.rest_url`` win over the embedded stack.
    kafka, flink
        Whether the caller needs this one: what nobody needs may be missing.

    Raises
    ------
    StackError
        Where a needed part is neither configured nor running in the embedded stack.

    Examples
    --------
    >>> from workbench.config import Settings
    >>> endpoints(Settings(kafka={"bootstrap_servers": "b:9092"}), flink=False).bootstrap_servers
    'b:9092'
    """
    layout = Layout(settings.stack_folder)
    ports = read_ports(layout)
    servers, url = settings.kafka.bootstrap_servers or "", settings.flink.rest_url or ""
    for wanted, given, part, name in (
        (kafka, servers, "kafka", "broker"),
        (flink, url, "jobmanager", "cluster"),
    ):
        if wanted and not given and (not ports or recorded(layout, part) is None):
            key = "kafka.bootstrap_servers" if part == "kafka" else "flink.rest_url"
            raise StackError(
                f"no {name} is running in {layout.folder} and {key} is not set",
                hint="start the embedded one with `workbench stack up`",
            )
    if "kafka" in ports and settings.stack.kafka_advertised_port:
        # Something stands between: clients go the way that the broker tells them to go.
        ports = {**ports, "kafka": settings.stack.kafka_advertised_port}
    return Endpoints(
        servers or (kafka_address(ports) if "kafka" in ports else ""),
        (url or (flink_address(ports) if "flink_rest" in ports else "")).rstrip("/"),
    )
