"""Loopback ports: configured ones must be free, free-chosen ones are kept while they can be."""

from __future__ import annotations

import random
import socket

import psutil

from workbench.errors import StackError

HOST = "127.0.0.1"
#: Below the range the kernel takes for outgoing connections, so a chosen port stays free.
FIRST, LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Java servers do: connections that linger after a restart are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Return who listens on a port, for people: name and process id where they can be seen."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return "another process"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            if connection.pid is None:
                break
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return "another process"


def choose(exclude: set[int]) -> int:
    """Return a free loopback port that is not in `exclude`."""
    for port in random.sample(range(FIRST, LAST), 200):
        if port not in exclude and is_free(port):
            return port
    raise StackError(
        f"no free port between {FIRST} and {LAST}",
        hint="set stack.kafka_port, stack.flink_rest_port",
    )


def settle(
    wanted: dict[str, int], kept: dict[str, int], in_use: frozenset[str] = frozenset()
) -> dict[str, int]:
    """Return the port of every service.

    Parameters
    ----------
    wanted
        The configured port by name; 0 means any.
    kept
        The ports of the last time, taken again where they are free.
    in_use
        Names whose own server holds its port right now.

    Raises
    ------
    StackError
        Where a configured port is held by somebody else; names the port and the holder.

    Examples
    --------
    >>> sorted(settle({"kafka": 0}, {"kafka": 20123}))
    ['kafka']
    """
    ports: dict[str, int] = {}
    for name, port in wanted.items():
        if name in in_use:
            ports[name] = kept[name]
        elif port:
            if not is_free(port):
                raise StackError(
                    f"port {port} (stack.{name}_port) is taken by {holder(port)}",
                    hint=f"end it, or set stack.{name}_port to another port or to 0 for a free one",
                )
            ports[name] = port
    for name in wanted:
        if name not in ports:
            last = kept.get(name)
            taken = set(ports.values())
            free = last and last not in taken and is_free(last)
            ports[name] = last if last and free else choose(taken | set(kept.values()))
    return ports
