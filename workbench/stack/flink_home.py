"""Assemble our own FLINK_HOME: the wheel's distribution plus connectors, compiled functions, conf.

PyFlink takes its jars from FLINK_HOME, and the connectors must be on the JVM's class path
(``lib``), not in ``pipeline.jars``. The same home serves the session cluster, the client that
submits jobs, and batch runs without any cluster. Its folder carries a fingerprint of what it is
made of: a change makes a new home and leaves the one of a running cluster alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import psutil

from workbench.config import Settings
from workbench.stack.files import Layout, disk_errors
from workbench.stack.functions import flink_distribution, functions_jar
from workbench.stack.jars import Progress, ensure_jars
from workbench.stack.java import find_java

#: Packages of the JDK that Flink and Kryo look into; the ones of the wheel's own configuration.
JAVA_17_OPTIONS = " ".join(
    [f"--add-exports=java.{p}=ALL-UNNAMED" for p in ("rmi/sun.rmi.registry",)]
    + ["--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED"]
    + [
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            *("java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch"),
            *("java.lang.reflect", "java.text", "java.time", "java.util"),
            *("java.util.concurrent", "java.util.concurrent.atomic"),
            "java.util.concurrent.locks",
        )
    ]
)
UTC = "-Duser.timezone=UTC"

#: Bounded: 3 files of 16 MiB per part.
LOG4J = """\
rootLogger.level = {level}
rootLogger.appenderRef.file.ref = File
appender.file.name = File
appender.file.type = RollingFile
appender.file.fileName = ${{sys:log.file}}
appender.file.filePattern = ${{sys:log.file}}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}}{{UTC}} %-5p %c - %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = ERROR
"""


def flat_yaml(values: dict[str, str | int]) -> str:
    """Return a Flink configuration file; values are quoted the way JSON and YAML agree on.

    Examples
    --------
    >>> print(flat_yaml({"rest.port": 8081, "rest.address": "127.0.0.1"}), end="")
    rest.port: 8081
    rest.address: "127.0.0.1"
    """
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def common_configuration(layout: Layout) -> dict[str, str | int]:
    """Return what client, batch runs and cluster have in common."""
    return {
        "env.java.opts.all": f"{JAVA_17_OPTIONS} {UTC}",
        "table.local-time-zone": "UTC",
        "parallelism.default": 1,
        "io.tmp.dirs": str(layout.flink_tmp),
        "state.backend.type": "hashmap",
        "execution.checkpointing.dir": f"file://{layout.checkpoints}",
        "execution.checkpointing.savepoint-dir": f"file://{layout.savepoints}",
        # Leaked class loader checks fail jobs whose libraries keep threads for a moment longer.
        "classloader.check-leaked-classloader": "false",
    }


def _contents(settings: Settings, progress: Progress) -> dict[str, Path]:
    """Every jar of ``lib`` by name."""
    wheel = flink_distribution()
    jars = [
        *sorted((wheel / "lib").glob("*.jar")),
        # Python functions need it on the cluster too, not only in the client.
        *sorted((wheel / "opt").glob("flink-python-*.jar")),
        *ensure_jars("flink", progress=progress),
    ]
    functions = functions_jar(settings, progress=progress)
    if functions:
        jars.append(functions)
    return {jar.name: jar for jar in jars}


def _assemble(home: Path, jars: dict[str, Path], layout: Layout) -> None:
    wheel = flink_distribution()
    (home / "lib").mkdir(parents=True)
    for name, jar in jars.items():
        (home / "lib" / name).symlink_to(jar)
    (home / "plugins").symlink_to(wheel / "plugins")
    (home / "opt").mkdir()
    for jar in (wheel / "opt").glob("*.jar"):
        (home / "opt" / jar.name).symlink_to(jar)
    # A copy: the scripts resolve links and would find the wheel's conf and lib.
    (home / "bin").mkdir()
    for script in (wheel / "bin").iterdir():
        if script.is_file():
            shutil.copyfile(script, home / "bin" / script.name)
            (home / "bin" / script.name).chmod(0o755)
    (home / "conf").mkdir()
    configuration: dict[str, str | int] = {
        **common_configuration(layout),
        # A run without a cluster starts one inside the client.
        "taskmanager.numberOfTaskSlots": 4,
        "taskmanager.memory.network.min": "64m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.memory.managed.size": "128m",
    }
    (home / "conf" / "config.yaml").write_text(flat_yaml(configuration))
    for name, level in (
        ("log4j-console", "INFO"),
        ("log4j-cli", "WARN"),
        ("log4j", "INFO"),
    ):
        (home / "conf" / f"{name}.properties").write_text(LOG4J.format(level=level))


def _remove_unused(layout: Layout, keep: Path) -> None:
    """Remove homes that no process of this user was started with."""
    used = {keep.name}
    for process in psutil.process_iter():
        try:
            used.add(Path(process.environ().get("FLINK_HOME", "")).name)
        except (psutil.Error, OSError):
            continue
    for home in layout.flink.glob("home-*"):
        if home.name not in used:
            shutil.rmtree(home, ignore_errors=True)


def ensure_flink_home(settings: Settings, progress: Progress = lambda _: None) -> Path:
    """Return the FLINK_HOME of this project folder, assembled anew where its parts changed.

    No cluster is needed. Safe to be called by several processes at once.

    Raises
    ------
    StackError
        Where a jar is missing or refused, no Java is found, or a Java function does not compile.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> (ensure_flink_home(load_settings()) / "conf/config.yaml").is_file()  # doctest: +SKIP
    True
    """
    layout = Layout(settings.stack_folder)
    layout.make()
    with disk_errors(layout.flink), (layout.flink / "home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jars = _contents(settings, progress)
        digest = hashlib.sha256(LOG4J.encode())
        for name, jar in jars.items():
            digest.update(f"{name}\0{jar}\0".encode())
        digest.update(flat_yaml(common_configuration(layout)).encode())
        home = layout.flink / f"home-{digest.hexdigest()[:12]}"
        complete = home / "complete"
        if not complete.is_file():
            shutil.rmtree(home, ignore_errors=True)
            _assemble(home, jars, layout)
            complete.touch()
            _remove_unused(layout, home)
        return home


def _is_own(jar: Path) -> bool:
    return jar.name.startswith("workbench-functions-")


def class_path(home: Path) -> list[Path]:
    """Return the class path of a JVM of the cluster, in a fixed order.

    Flink itself comes after what it stands on, and the project's own functions last, because
    they change more often. Links are followed: all stacks of a machine have the same class path.
    """

    def place(jar: Path) -> tuple[bool, bool, str]:
        return _is_own(jar), "flink-dist" in jar.name, jar.name

    return [jar.resolve() for jar in sorted((home / "lib").glob("*.jar"), key=place)]


def shared_class_path(home: Path) -> list[Path]:
    """Return what of the class path is the same for all who have the same locks."""
    return [jar for jar in class_path(home) if not _is_own(jar)]


def home_environment(settings: Settings, home: Path) -> dict[str, str]:
    """Return the variables by which Flink's JVMs and Python workers find their parts."""
    java = find_java()
    python = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {
        "FLINK_HOME": str(home),
        "FLINK_LIB_DIR": str(home / "lib"),
        "FLINK_OPT_DIR": str(home / "opt"),
        "FLINK_PLUGINS_DIR": str(home / "plugins"),
        "FLINK_BIN_DIR": str(home / "bin"),
        "FLINK_CONF_DIR": str(home / "conf"),
        "FLINK_LOG_DIR": str(Layout(settings.stack_folder).logs),
        "JAVA_HOME": str(java.home),
        # Python workers are started by name.
        "PATH": os.pathsep.join([python, str(java.home / "bin"), path]),
        # Beam takes seconds to import; uncompiled, more than ten. Empty means "do compile".
        "PYTHONDONTWRITEBYTECODE": "",
    }


def client_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables a PyFlink client process needs, to be put over its own.

    Examples
    --------
    >>> import os, subprocess, sys
    >>> from workbench.config import load_settings
    >>> env = {**os.environ, **client_environment(load_settings())}  # doctest: +SKIP
    >>> subprocess.run([sys.executable, "-m", "flink_jobs"], env=env)  # doctest: +SKIP
    """
    home = ensure_flink_home(settings)
    return {
        **home_environment(settings, home),
        # Else PyFlink takes a remote target for a local one and puts the address of this very
        # process into the job, which then dies with it.
        "_python_worker_execution_mode": "process",
        "JVM_ARGS": f"-Xms256m -Xmx640m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 {UTC}",
    }
