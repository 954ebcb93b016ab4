"""Where each setting in force comes from, with secrets hidden."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from workbench.config import CONFIG_FILE, Settings
from workbench.errors import WorkbenchError

HIDDEN = "(hidden)"
# Names that carry a secret in the client libraries of Kafka, Iceberg and object stores.
_SECRET = re.compile(
    r"pass(word|wd|phrase)?|secret|token|credential|jaas|authorization|cookie"
    r"|connection[-_.]?string|(access|account|api|private|shared)[-_.]?key"
    # Java's and librdkafka's names of a private key given as text.
    r"|ssl[-_.]key([-_.]pem)?$|keystore[-_.]key$|oauthbearer[-_.]config",
    re.I,
)
# Up to the last @: a password that is not escaped may have one, and a slash as well.
_USER_INFO = re.compile(r"(?<=://)(\S*?):(\S*)(?=@)")
_IN_QUERY = re.compile(rf"([?&;][\w.-]*(?:{_SECRET.pattern})[\w.-]*=)([^&;\s]+)", re.I)
_NAME_KEPT = rf"\1{HIDDEN}"


@dataclass(frozen=True)
class Value:
    """One setting: its dotted name, its value as JSON can carry it, and its source."""

    name: str
    value: Any
    source: str


def hide(name: str, value: Any) -> Any:
    """Return a value that may be printed.

    Examples
    --------
    >>> hide("kafka.properties", {"sasl.username": "u", "sasl.password": "p"})
    {'sasl.username': 'u', 'sasl.password': '(hidden)'}
    >>> hide("lake.properties", {"uri": "postgresql://me:pw@db/lake"})
    {'uri': 'postgresql://(hidden)@db/lake'}
    """
    if isinstance(value, dict):
        return {key: hide(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide(name, item) for item in value]
    if value is None:
        return None
    if isinstance(value, SecretStr) or _SECRET.search(name):
        return HIDDEN
    return value if isinstance(value, int | float | bool) else _hide_in_uri(str(value))


def _hide_in_uri(text: str) -> str:
    return _USER_INFO.sub(HIDDEN, _IN_QUERY.sub(_NAME_KEPT, text))


def hide_in_text(text: str, properties: Mapping[str, str]) -> str:
    """Return what a library said, without the secrets of the properties it was given.

    Examples
    --------
    >>> hide_in_text("cannot log in with pw", {"uri": "postgresql://me:pw@db/lake"})
    'cannot log in with (hidden)'
    """
    secrets = set()
    for name, value in properties.items():
        if hide(name, value) == HIDDEN:
            secrets.add(value)
        secrets |= {match[2] for match in _USER_INFO.finditer(value)}
        secrets |= {match[match.lastindex or 0] for match in _IN_QUERY.finditer(value)}
    # A library may say what it was given, or what it made of the escapes in it.
    for secret in sorted(secrets | {unquote(secret) for secret in secrets}, key=len, reverse=True):
        if secret:
            text = text.replace(secret, HIDDEN)
    return _hide_in_uri(text)


def one_line(error: BaseException) -> str:
    """Return any error as one line: our own as it is, another's with its type and no password.

    Examples
    --------
    >>> one_line(OSError("cannot reach thrift://me:pw@db"))
    'OSError: cannot reach thrift://(hidden)@db'
    >>> one_line(MemoryError())
    'MemoryError'
    """
    if isinstance(error, WorkbenchError):
        return str(error)
    # Of some library; an address in it may have a password.
    said = hide_in_text(str(error), {}).strip().splitlines()
    return ": ".join([type(error).__name__, *said[:1]])


def _look_up(tree: Any, way: list[str]) -> bool:
    for step in way:
        if not isinstance(tree, dict) or step not in tree:
            return False
        tree = tree[step]
    return True


def _variable(way: list[str]) -> str:
    """The variable that set it: its own, or the one of a whole section as JSON."""
    own = "WORKBENCH_" + "__".join(way).upper()
    set_names = {name.upper(): name for name in os.environ}
    whole = f"WORKBENCH_{way[0]}".upper()
    return next((set_names[n] for n in (own, whole) if n in set_names), own)


def explain(settings: Settings) -> list[Value]:
    """Return every setting with its value and source, in the order of the model.

    Examples
    --------
    >>> from pathlib import Path
    >>> elsewhere = Settings(project=Path("/nowhere"), kafka={"profile": "full"})
    >>> next(value for value in explain(elsewhere) if value.name == "kafka.profile")
    Value(name='kafka.profile', value='full', source='argument')
    """
    environment = EnvSettingsSource(Settings)()
    file = settings.project / CONFIG_FILE
    toml = TomlConfigSettingsSource(Settings, file)()
    out = [Value("project", str(settings.project), _project_source(settings))]

    def walk(model: BaseModel, way: list[str]) -> None:
        for name, field in type(model).model_fields.items():
            value, here = getattr(model, name), [*way, name]
            if isinstance(value, BaseModel):
                walk(value, here)
                continue
            if not way:
                continue
            source = "default"
            if _look_up(environment, here):
                source = f"environment {_variable(here)}"
            elif _look_up(toml, here):
                source = str(file)
            elif value != field.get_default(call_default_factory=True):
                source = "argument"
            out.append(Value(".".join(here), hide(".".join(here), value), source))

    walk(settings, [])
    return out


def _project_source(settings: Settings) -> str:
    if os.environ.get("WORKBENCH_PROJECT"):
        return "environment WORKBENCH_PROJECT"
    if (settings.project / CONFIG_FILE).is_file():
        return f"nearest folder with a {CONFIG_FILE}"
    return "working directory"
