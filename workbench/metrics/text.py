"""Prometheus' text format 0.0.4."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from workbench.metrics.definitions import METRICS
from workbench.metrics.samples import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(samples: Iterable[Sample]) -> str:
    r"""Return samples as text, metric by metric in the order of their definitions.

    Examples
    --------
    >>> print(exposition([Sample("workbench_up", {"part": "the \"lake\"\n"}, 1.0)]), end="")
    # HELP workbench_up Whether a part answered: kafka, flink, lake
    # TYPE workbench_up gauge
    workbench_up{part="the \"lake\"\n"} 1
    """
    by_name: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_name[sample.name].append(sample)
    lines = []
    for metric in METRICS:
        if metric.name not in by_name:
            continue
        lines.append(f"# HELP {metric.name} {_escaped(metric.help)}")
        lines.append(f"# TYPE {metric.name} {metric.type}")
        lines += [_line(sample) for sample in by_name[metric.name]]
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_label(value)}"' for name, value in sample.labels.items())
    braces = f"{{{labels}}}" if labels else ""
    return f"{sample.name}{braces} {_number(sample.value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _label(text: str) -> str:
    # What UTF-8 cannot hold cannot be sent.
    sendable = text.encode("utf-8", "replace").decode("utf-8")
    return _escaped(sendable).replace('"', '\\"')


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
