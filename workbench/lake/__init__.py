"""The lake: its catalog, its tables, writing to them, and sessions that read pinned snapshots."""
