"""Renew ``jars.lock`` from the roots below: ``python -m workbench.stack.jars_lock``.

Versions change here, in one place; the lock records every jar they need with its SHA-256.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from workbench.stack.files import write_atomic
from workbench.stack.jars import LOCK_FILE, Jar, _download, file_sha256, parse_line

#: role, coordinates, whether its runtime dependencies are locked with it. The connectors are
#: complete in themselves ("fat" jars), the broker is not.
ROOTS = (
    ("flink", "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2", False),
    ("flink", "org.apache.iceberg:iceberg-flink-runtime-2.1:1.11.0", False),
    ("flink", "org.apache.hadoop:hadoop-client-api:3.4.3", False),
    ("flink", "org.apache.hadoop:hadoop-client-runtime:3.4.3", False),
    ("flink", "commons-logging:commons-logging:1.2", False),
    ("flink", "org.xerial:sqlite-jdbc:3.53.2.1", False),
    ("kafka", "org.apache.kafka:kafka_2.13:4.3.1", True),
    # The broker logs through slf4j 1.7: without this binding it would log nothing at all.
    ("kafka", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4", False),
    # A Java compiler that needs no JDK.
    ("build", "org.eclipse.jdt:ecj:3.40.0", False),
)

HEADER = """\
# The jars of the embedded stack: role, Maven coordinates, SHA-256 of the bytes.
# Renewed by `make lock` from the roots in workbench/stack/jars_lock.py.
"""


def resolve(repository: Path) -> list[Jar]:
    """Return the roots and their runtime dependencies, without hashes."""
    from jgo.maven import MavenContext

    jars: dict[tuple[str, str, str], Jar] = {}
    context = MavenContext(repo_cache=repository, local_repos=[], timeout=60)
    for role, coordinates, transitive in ROOTS:
        group, artifact, version = coordinates.split(":")
        jars[role, group, artifact] = Jar(role, group, artifact, version)
        if not transitive:
            continue
        _, dependencies = context.resolver.resolve([context.create_dependency(coordinates)])
        for found in dependencies:
            if found.scope in ("compile", "runtime") and not found.optional:
                jar = Jar(role, found.groupId, found.artifactId, found.version)
                jars.setdefault((role, jar.group, jar.artifact), jar)
    return sorted(jars.values())


def main(path: Path = LOCK_FILE) -> None:
    """Write the lock; a hash that is locked already must not change under the same version."""
    known = {}
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        known = {
            (jar.role, jar.coordinates): jar.sha256
            for jar in (parse_line(li) for li in lines if li.strip() and not li.startswith("#"))
        }
    out = []
    with tempfile.TemporaryDirectory() as temporary:
        for jar in resolve(Path(temporary) / "resolve"):
            sha256 = file_sha256(_download(jar, Path(temporary)))
            before = known.get((jar.role, jar.coordinates), sha256)
            if before != sha256:
                sys.exit(
                    f"{jar.coordinates}: locked sha256 {before}, fetched sha256 {sha256}; "
                    "a released jar never changes, so one of the two was tampered with"
                )
            print(f"{jar.role} {jar.coordinates}", file=sys.stderr)
            out.append(f"{jar.role} {jar.coordinates} sha256:{sha256}\n")
    write_atomic(path, HEADER + "".join(out))


if __name__ == "__main__":
    main()
