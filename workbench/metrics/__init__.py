"""What runs, as numbers: one collector for the Prometheus endpoint and the status screen."""

from workbench.metrics.collect import Collector, State
from workbench.metrics.definitions import METRICS, Metric
from workbench.metrics.samples import Sample, samples
from workbench.metrics.text import exposition

__all__ = ["METRICS", "Collector", "Metric", "Sample", "State", "exposition", "samples"]
