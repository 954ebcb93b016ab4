"""Every setting, its default and where it came from.

Order of precedence: command-line flag (an explicit argument here), environment
``WORKBENCH_*`` (``WORKBENCH_KAFKA__BOOTSTRAP_SERVERS`` sets ``kafka.bootstrap_servers``),
``workbench.toml`` in the project folder, the default below.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from workbench.errors import UsageError, did_you_mean

CONFIG_FILE = "workbench.toml"


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


class FlinkSettings(BaseModel, extra="forbid"):
    """Which cluster the jobs run on, and how."""

    #: ``http://host:port`` of the JobManager; None means the embedded cluster.
    rest_url: str | None = None
    parallelism: int = Field(default=1, ge=1, le=128)
    #: Output of exactly-once jobs and Iceberg commits become visible this often.
    checkpoint_interval_ms: int = Field(default=30_000, ge=100)
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    #: Starts job names, Kafka group ids and transactional ids: two on one broker differ.
    deployment: str = Field(default="workbench", pattern=r"^[A-Za-z0-9._-]+$", max_length=64)
    #: A partition without records for this long no longer holds the watermark back.
    idle_timeout_ms: int = Field(default=5_000, ge=100)


class LakeSettings(BaseModel, extra="forbid"):
    """Where the Iceberg tables are."""

    #: Name of the catalog; Flink and PyIceberg must use the same one.
    catalog: str = Field(default="lake", pattern=r"^[a-z][a-z0-9_]*$")
    #: Folder of the embedded catalog (SQLite) and of its tables.
    warehouse: Path = Path("warehouse")
    #: PyIceberg properties of another catalog (``uri``, ``type``, ...); empty means embedded.
    properties: dict[str, str] = {}


class DuckDBSettings(BaseModel, extra="forbid"):
    """Bounds of a session's own DuckDB connection."""

    memory_limit: str = "2GB"
    max_temp_directory_size: str = "10GB"
    threads: int | None = Field(default=None, ge=1)


class StackSettings(BaseModel, extra="forbid"):
    """The embedded broker and cluster."""

    #: Folder of all state of the embedded stack.
    folder: Path = Path(".workbench")
    #: 0 means a free port, chosen at the first ``up`` and kept.
    kafka_port: int = Field(default=0, ge=0, le=65535)
    flink_rest_port: int = Field(default=0, ge=0, le=65535)
    #: Java heap of each part in MiB.
    kafka_heap_mb: int = Field(default=512, ge=256)
    jobmanager_heap_mb: int = Field(default=400, ge=256)
    taskmanager_heap_mb: int = Field(default=768, ge=512)
    taskmanager_managed_mb: int = Field(default=128, ge=32)
    #: Slots of the one TaskManager: a job of parallelism 1 takes one.
    slots: int = Field(default=8, ge=1)


class ReferenceSettings(BaseModel, extra="forbid"):
    """Reference data of the enrichment."""

    #: CSV of symbols; None means the file that ships with the project.
    symbols: Path | None = None


class Settings(BaseSettings):
    """All settings of one project folder.

    Examples
    --------
    >>> Settings(project=Path("/tmp/x")).kafka.profile
    'dev'
    """

    model_config = SettingsConfigDict(
        env_prefix="WORKBENCH_", env_nested_delimiter="__", extra="forbid"
    )

    #: Folder that relative paths start from.
    project: Path = Path()
    kafka: KafkaSettings = KafkaSettings()
    flink: FlinkSettings = FlinkSettings()
    lake: LakeSettings = LakeSettings()
    duckdb: DuckDBSettings = DuckDBSettings()
    stack: StackSettings = StackSettings()
    reference: ReferenceSettings = ReferenceSettings()

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
    return "WORKBENCH_" + name.upper().replace(".", "__")


def find_project(start: Path | None = None) -> Path:
    """Return the nearest folder at or above `start` with a ``workbench.toml``, else `start`.

    ``WORKBENCH_PROJECT`` overrides the search.
    """
    override = os.environ.get("WORKBENCH_PROJECT")
    if override:
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
    folder = project.resolve() if project else find_project()
    try:
        return Settings(project=folder, **overrides)
    except ValidationError as error:
        # Without its cause: --debug would print the values that the line below hides.
        raise _refusal(error) from None


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
