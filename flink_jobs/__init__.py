"""The streaming side: Flink jobs as SQL, submitted through PyFlink. The only code that imports it."""
