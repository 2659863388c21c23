"""Reads the configuration from its YAML file, with file, line and key in every error."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cv_engine.config.errors import ConfigError, YamlError
from cv_engine.config.messages import describe
from cv_engine.config.settings import Config
from cv_engine.config.yaml_document import read_yaml

MOST_SHOWN = 100  # problems in one message


def default_config_path() -> Path:
    """The documented ``config.yaml``: in the package of a wheel, else in the project's root."""
    package = Path(__file__).parents[1]
    packaged = package / "config.yaml"
    return packaged if packaged.is_file() else package.parent / "config.yaml"


def load_config(path: Path | None = None) -> Config:
    """Read the configuration; relative paths in it start at the folder it lies in.

    Args:
        path: The file; ``None`` means the documented defaults, whose relative paths start at the
            working folder.

    Raises:
        ConfigError: The file is missing or has errors; the text lists all of them.
    """
    config = read_config(default_config_path() if path is None else path)
    base = Path.cwd() if path is None else path.resolve().parent
    return _with_absolute_paths(config, base)


def read_config(path: Path) -> Config:
    """Like :func:`load_config`, with the paths left as they are written.

    Raises:
        ConfigError: The file is missing or has errors; the text lists all of them.
    """
    try:
        document = read_yaml(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; correct the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except YamlError as error:
        where = f"{path}:{error.line}" if error.line else f"{path}"
        raise ConfigError(f"{where}: {error}") from None
    problems = [
        (line, f"{key}: written twice, first on line {first}; remove one of the two")
        for key, line, first in document.duplicates
    ]
    config = None
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        problems += describe(error, Config, document, MOST_SHOWN)
    if config is not None:
        problems += [
            (document.line(["rules", section, "min_size_m"]), text)
            for section, text in config.without_scale(config.cameras)
        ]
    if config is None or problems:
        lines = [f"{path}:{line}: {text}" for line, text in sorted(problems)[:MOST_SHOWN]]
        if len(problems) > MOST_SHOWN:
            lines.append(f"{path}: there are more problems; correct these first")
        raise ConfigError("\n".join(lines))
    return config


def _with_absolute_paths(config: Config, base: Path) -> Config:
    cameras = tuple(
        camera.model_copy(
            update={
                key: base / path.expanduser()
                for key, path in (("zones", camera.zones), ("tls_ca", camera.tls_ca))
                if path is not None
            }
        )
        for camera in config.cameras
    )
    store = config.store
    if store is not None and "://" not in store:
        store = str(base / Path(store).expanduser())
    data = base / config.data.expanduser()
    satellite = config.satellite.based(base)
    values = {"cameras": cameras, "satellite": satellite, "store": store, "data": data}
    return config.model_copy(update=values)
