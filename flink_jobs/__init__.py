"""The streaming side: Flink jobs as SQL. The only code that imports PyFlink."""
