"""The embedded stack: a real Kafka broker and a real Flink session cluster on loopback.

Nothing here imports `pyflink`; its wheel is only looked up as the place of Flink's distribution.
"""

from workbench.stack.endpoints import Endpoints, endpoints
from workbench.stack.flink_home import client_environment, ensure_flink_home
from workbench.stack.stack import Stack

__all__ = ["Endpoints", "Stack", "client_environment", "endpoints", "ensure_flink_home"]
