"""Every setting, its default and where it came from.

Order of precedence: command-line flag (an explicit argument here), environment
``WORKBENCH_*`` (``WORKBENCH_KAFKA__BOOTSTRAP_SERVERS`` sets ``kafka.bootstrap_servers``),
``workbench.toml`` in the project folder, the default below.
"""

from __future__ import annotations

import json
import os
import tomllib
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from workbench.errors import UsageError, did_you_mean

CONFIG_FILE = "workbench.toml"
PREFIX = "WORKBENCH_"
#: Variables that are no settings but say where the project is and what the machine has.
MACHINE_VARIABLES = ("WORKBENCH_PROJECT", "WORKBENCH_JAVA_HOME", "WORKBENCH_MAVEN_REPOSITORY")
#: What a run of a report tells its notebook; `workbench.reports.context` sets and reads it.
REPORT_VARIABLE = "WORKBENCH_REPORT_RUN"


def _not_empty(value: Any) -> Any:
    # It would be the project folder itself, which nobody means.
    if isinstance(value, str) and not value.strip():
        raise ValueError("a path is needed")
    return value


GivenPath = Annotated[Path, BeforeValidator(_not_empty)]


def _split(value: Any) -> Any:
    # As in PATH: a variable of the environment is one text.
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


GivenPaths = Annotated[tuple[GivenPath, ...], NoDecode, BeforeValidator(_split)]


class KafkaSettings(BaseModel, extra="forbid"):
    """Which broker, and how many partitions its topics get."""

    #: ``host:port,...``; None means the embedded broker of this project folder.
    bootstrap_servers: str | None = None
    #: ``full``: the partitions of the contracts; ``dev``: at most two, for a laptop.
    profile: Literal["dev", "full"] = "dev"
    #: Put in front of every topic name, so that several users can share a broker.
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$", max_length=64)
    #: Further librdkafka client properties, for example ``security.protocol``.
    properties: dict[str, str] = {}
    #: The password of ``sasl.username``; never printed.
    password: SecretStr | None = None


Delivery = Literal["exactly-once", "at-least-once"]
StateBackend = Literal["hashmap", "rocksdb"]
Latency = Literal["balanced", "low"]
#: The longest that a transaction may stay open; the embedded broker allows it.
MOST_TRANSACTION_S = 86_400


class JobSettings(BaseModel, extra="forbid"):
    """How one job runs, where it differs from the others; None is as the others."""

    delivery: Delivery | None = None
    parallelism: int | None = Field(default=None, ge=1, le=128)
    checkpoint_interval_ms: int | None = Field(default=None, ge=100)
    latency: Latency | None = None
    state_backend: StateBackend | None = None


class FlinkSettings(BaseModel, extra="forbid"):
    """Which cluster the jobs run on, and how."""

    #: ``http://host:port`` of the JobManager; None means the embedded cluster.
    rest_url: str | None = None
    parallelism: int = Field(default=1, ge=1, le=128)
    #: Output of exactly-once jobs and Iceberg commits become visible this often.
    checkpoint_interval_ms: int = Field(default=30_000, ge=100)
    #: A job that was cut off between a checkpoint and its commits loses nothing where it runs again
    #: within this time; readers wait as long for one that never does. None: an hour with the
    #: embedded broker, and with another the 15 minutes that Kafka allows by default.
    transaction_timeout_s: int | None = Field(default=None, ge=1, le=MOST_TRANSACTION_S)
    #: ``at-least-once`` shows output in Kafka at once and may repeat it after a failure; what
    #: lands in Iceberg is exactly-once either way.
    delivery: Delivery = "exactly-once"
    #: ``balanced`` fills batches for some ms at each step of a record's way; ``low`` sends
    #: almost at once, for more CPU. What exactly-once shows still waits for its checkpoint.
    latency: Latency = "balanced"
    #: Where state lives while a job runs: on the heap, or in RocksDB with incremental checkpoints.
    state_backend: StateBackend = "hashmap"
    #: A trade event whose trade_id came within this time is a duplicate; 0 lets duplicates pass.
    deduplicate_s: int = Field(default=0, ge=0, le=7 * 86_400)
    #: Jobs that differ: ``[flink.jobs.router]``.
    jobs: dict[str, JobSettings] = {}
    #: Starts job names, Kafka group ids and transactional ids: two on one broker differ.
    deployment: str = Field(default="workbench", pattern=r"^[A-Za-z0-9._-]+$", max_length=64)
    #: A partition without records for this long no longer holds the watermark back.
    idle_timeout_ms: int = Field(default=5_000, ge=100)


class LakeSettings(BaseModel, extra="forbid"):
    """Where the Iceberg tables are."""

    #: Name of the catalog; Flink and PyIceberg must use the same one.
    catalog: str = Field(default="lake", pattern=r"^[a-z][a-z0-9_]*$")
    #: Folder of the embedded catalog (SQLite) and of its tables.
    warehouse: GivenPath = Path("warehouse")
    #: PyIceberg properties of another catalog (``uri``, ``type``, ...); empty means embedded.
    properties: dict[str, str] = {}


class DuckDBSettings(BaseModel, extra="forbid"):
    """Bounds of a session's own DuckDB connection."""

    memory_limit: str = "2GB"
    max_temp_directory_size: str = "10GB"
    threads: int | None = Field(default=None, ge=1)


class SqlSettings(BaseModel, extra="forbid"):
    """What text that somebody types may read besides the lake."""

    #: Folders whose files queries of `workbench sql` may read and join with the lake's tables.
    allowed_directories: GivenPaths = ()


Percent = Annotated[Decimal, Field(gt=0, le=10_000, decimal_places=6)]
Seconds = Annotated[int, Field(ge=0, le=7 * 86_400)]
#: A symbol with rules of its own; the marks are those that separate rules.
RuledSymbol = Annotated[str, Field(pattern=r"^[^|;]+$", max_length=100)]


class AlertRule(BaseModel, extra="forbid"):
    """What is an alert for one symbol; None is as for the others."""

    threshold_percent: Percent | None = None
    window_s: Seconds | None = None
    cooldown_s: Seconds | None = None


class AlertSettings(BaseModel, extra="forbid"):
    """What is a price alert."""

    #: A price this far from the baseline raises an alert.
    threshold_percent: Percent = Decimal(2)
    #: A price this much later than the baseline replaces it.
    window_s: Seconds = 300
    #: After an alert, a symbol raises no other for this long.
    cooldown_s: Seconds = 60
    #: Symbols with rules of their own, as the exchange writes them: ``[alerts.symbols.AAPL]``.
    symbols: dict[RuledSymbol, AlertRule] = {}
    #: What is known of a symbol is dropped after this time without prices: no sooner than every
    #: window and every cooldown is over.
    state_ttl_s: int = Field(default=600, ge=1, le=7 * 86_400, validate_default=True)

    @field_validator("state_ttl_s")
    @classmethod
    def _outlives_the_rules(cls, value: int, info: ValidationInfo) -> int:
        for name in ("window_s", "cooldown_s"):
            needed = {f"alerts.{name}": info.data.get(name, 0)}
            for symbol, rule in info.data.get("symbols", {}).items():
                needed[f"alerts.symbols.{symbol}.{name}"] = getattr(rule, name) or 0
            longest = max(needed, key=lambda key: needed[key])
            if needed[longest] > value:
                raise ValueError(f"at least {longest} is needed, which is {needed[longest]}")
        return value


class StackSettings(BaseModel, extra="forbid"):
    """The embedded broker and cluster."""

    #: Folder of all state of the embedded stack.
    folder: GivenPath = Path(".workbench")
    #: 0 means a free port, chosen at the first ``up`` and kept.
    kafka_port: int = Field(default=0, ge=0, le=65535)
    flink_rest_port: int = Field(default=0, ge=0, le=65535)
    #: Port that clients are told to use where something stands between, an SSH tunnel for example;
    #: 0 means the broker's own.
    kafka_advertised_port: int = Field(default=0, ge=0, le=65535)
    #: Java heap of each part in MiB.
    kafka_heap_mb: int = Field(default=512, ge=256)
    jobmanager_heap_mb: int = Field(default=400, ge=256)
    taskmanager_heap_mb: int = Field(default=768, ge=512)
    taskmanager_managed_mb: int = Field(default=128, ge=32)
    #: 2 means one more that is warm: where one dies, its jobs need not wait for a new JVM.
    taskmanagers: int = Field(default=1, ge=1, le=2)
    #: Slots of each TaskManager: a job of parallelism 1 takes one.
    slots: int = Field(default=8, ge=1)


class ReferenceSettings(BaseModel, extra="forbid"):
    """Reference data of the enrichment."""

    #: CSV of symbols; None means the file that ships with the project.
    symbols: GivenPath | None = None


class ReportLimits(BaseModel, extra="forbid"):
    """From which age of its data one report is degraded or stale; None is as for the others."""

    degraded_after_s: int | None = Field(default=None, ge=0)
    stale_after_s: int | None = Field(default=None, ge=0)


class ReportSettings(BaseModel, extra="forbid"):
    """How reports are run, and from when on their data is old."""

    #: Age of the newest event from which a report is degraded, and from which it is stale.
    degraded_after_s: int = Field(default=3_600, ge=0)
    stale_after_s: int = Field(default=86_400, ge=0)
    #: Reports that differ: ``[reports.limits.market_day]``.
    limits: dict[str, ReportLimits] = {}
    #: Seconds one cell may take, and a whole run.
    cell_timeout_s: int = Field(default=600, ge=1)
    timeout_s: int = Field(default=1_800, ge=1)


class Settings(BaseSettings):
    """All settings of one project folder.

    Examples
    --------
    >>> Settings(project=Path("/tmp/x")).kafka.profile
    'dev'
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")

    #: Folder that relative paths start from.
    project: Path = Path()
    kafka: KafkaSettings = KafkaSettings()
    flink: FlinkSettings = FlinkSettings()
    lake: LakeSettings = LakeSettings()
    duckdb: DuckDBSettings = DuckDBSettings()
    sql: SqlSettings = SqlSettings()
    stack: StackSettings = StackSettings()
    reference: ReferenceSettings = ReferenceSettings()
    alerts: AlertSettings = AlertSettings()
    reports: ReportSettings = ReportSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        project = Path(init_settings().get("project", "."))
        toml = TomlConfigSettingsSource(settings_cls, project / CONFIG_FILE)
        return init_settings, env_settings, toml

    @property
    def stack_folder(self) -> Path:
        """Absolute folder of the embedded stack's state."""
        return (self.project / self.stack.folder).resolve()

    @property
    def warehouse(self) -> Path:
        """Absolute folder of the embedded lake."""
        return (self.project / self.lake.warehouse).resolve()

    @property
    def readable_folders(self) -> list[Path]:
        """Absolute folders that typed queries may read besides the lake.

        Raises
        ------
        UsageError
            Where one of them holds the settings: passwords may be among them.
        """
        folders = [(self.project / given).resolve() for given in self.sql.allowed_directories]
        for folder in folders:
            if self.project.resolve().is_relative_to(folder):
                raise UsageError(
                    f"setting sql.allowed_directories: {str(folder)!r} holds {CONFIG_FILE}",
                    hint="name a folder with data alone, for example data",
                )
        return folders

    @property
    def symbols_file(self) -> Path:
        """Absolute path of the reference data in force."""
        if self.reference.symbols is not None:
            return (self.project / self.reference.symbols).resolve()
        import reference

        return Path(reference.__file__).parent / "symbols.csv"


#: The sections by name.
SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


def _known() -> dict[str, Any]:
    """Every setting, ``kafka.profile``, with its field."""
    return {
        f"{section}.{name}": field
        for section, model in SECTIONS.items()
        for name, field in model.model_fields.items()
    }


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "__")


#: A table whose keys keep their case: variables of its keys would have them in lower case.
_SYMBOLS = "alerts.symbols"


def check_variables() -> None:
    """Refuse a ``WORKBENCH_*`` variable that sets nothing, and a table that is no JSON.

    Raises
    ------
    UsageError
        Names the variable and the nearest known one; never its value.
    """
    known = _known()
    fields = {_variable(name): field for name, field in known.items()}
    # Sections, and settings that are tables: as JSON, or each key by a variable of its own.
    tables = {_variable(name) for name in SECTIONS}
    open_tables = {name for name, field in fields.items() if get_origin(field.annotation) is dict}
    for name in sorted(os.environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or name in (*MACHINE_VARIABLES, REPORT_VARIABLE):
            continue
        if upper in tables | open_tables:
            _check_json(name)
        elif upper.startswith(f"{_variable(_SYMBOLS)}__"):
            raise _lost_case(name)
        elif upper not in fields and not any(upper.startswith(f"{t}__") for t in open_tables):
            raise UsageError(f"no setting has the variable {name}", hint=_near(upper, [*fields]))


def _lost_case(name: str) -> UsageError:
    """The refusal of a rule that no symbol would ever have."""
    table = _variable(_SYMBOLS)
    symbol = name[len(table) + 2 :].partition("__")[0]
    return UsageError(
        f"{name} sets nothing: upper and lower case of a symbol count, those of a variable do not",
        hint=f"""write {table}='{{"{symbol}": {{"threshold_percent": 5}}}}', """
        f"or [{_SYMBOLS}.{symbol}] in {CONFIG_FILE}",
    )


def _check_json(name: str) -> None:
    try:
        value = json.loads(os.environ[name])
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(
            f"{name} is not a JSON object",
            hint=f"""write for example {name}='{{"key": "value"}}'""",
        )


def _near(variable: str, known: list[str]) -> str:
    """What may have been meant; the prefix that all have in common does not count."""
    wanted = variable.removeprefix(PREFIX)
    endings = [name for name in known if name.endswith(f"__{wanted}")]
    names = [name.removeprefix(PREFIX) for name in (*known, *MACHINE_VARIABLES)]
    near = [name.removeprefix(PREFIX) for name in endings] or get_close_matches(wanted, names, n=1)
    if near:
        return f"did you mean {PREFIX}{near[0]}?"
    return "unset it; docs/guide.md lists the settings"


def find_project(start: Path | None = None) -> Path:
    """Return the nearest folder at or above `start` with a ``workbench.toml``, else `start`.

    ``WORKBENCH_PROJECT`` overrides the search.

    Raises
    ------
    UsageError
        Where ``WORKBENCH_PROJECT`` names no folder.
    """
    override = os.environ.get("WORKBENCH_PROJECT")
    if override:
        if not Path(override).is_dir():
            raise UsageError(
                f"WORKBENCH_PROJECT names no folder: {override!r}",
                hint="make it with mkdir, or unset the variable",
            )
        return Path(override).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    return here


def load_settings(project: Path | None = None, **overrides: Any) -> Settings:
    """Return the settings in force.

    Parameters
    ----------
    project
        The project folder; found from the working directory when None.
    **overrides
        Sections given as flags, for example ``kafka={"profile": "full"}``; they win.

    Raises
    ------
    UsageError
        Where a value cannot be used; names the setting, the value and what is allowed.
    """
    check_variables()
    try:
        folder = project.resolve() if project else find_project()
    except FileNotFoundError as error:
        raise UsageError("the working directory is gone", hint="cd to another folder") from error
    file = folder / CONFIG_FILE
    try:
        return Settings(project=folder, **overrides)
    except ValidationError as error:
        # Without its cause: --debug would print the values that the line below hides.
        raise _refusal(error) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}", hint="mend that line") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{file} is not UTF-8 at line {line}", hint="save it as UTF-8 in the editor"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint="may you read the file?"
        ) from error


def _refusal(error: ValidationError) -> UsageError:
    """The first thing that is wrong, without a value that may be a secret."""
    from workbench.provenance import hide

    first = error.errors(include_url=False)[0]
    name, value = ".".join(str(part) for part in first["loc"]), first.get("input")
    if first["type"] == "extra_forbidden":
        # No value: this may be a password under a misspelt name.
        section = name.partition(".")[0]
        known = [key for key in _known() if key.startswith(f"{section}.")] or list(SECTIONS)
        return UsageError(f"no setting {name!r}", hint=did_you_mean(name, known))
    if first["type"] in ("model_type", "model_attributes_type", "dict_type"):
        # No value either: it may be a whole section in the wrong form.
        said = f"a table of keys and values is needed, got {type(value).__name__}"
    else:
        said = f"{first['msg'].removeprefix('Value error, ')}, got {hide(name, value)!r}"
    return UsageError(
        f"setting {name}: {said}",
        hint=f"mend it in {CONFIG_FILE}, in {_variable(name)} or in the flag",
    )
