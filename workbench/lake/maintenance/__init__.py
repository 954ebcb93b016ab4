"""Keeping the tables small: compaction, expiry of snapshots, orphans, and who may do it when."""
