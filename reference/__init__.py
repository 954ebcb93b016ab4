"""Reference data that ships with the project; the README beside it names sources and licences."""
