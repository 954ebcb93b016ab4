"""Where a file lies: what writers of Iceberg call it, and what a reader opens."""

from __future__ import annotations


def local_path(location: str) -> str:
    """Return a location as DuckDB opens it: ``file:`` URIs as paths, others as they are.

    >>> local_path("file:///tmp/a b.parquet"), local_path("file:/tmp/a"), local_path("s3://b/a")
    ('/tmp/a b.parquet', '/tmp/a', 's3://b/a')
    """
    if location.startswith("file:"):
        path = location.removeprefix("file:")
        return "/" + path.lstrip("/")
    return location
