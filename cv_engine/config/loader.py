"""Reads the configuration from its YAML file, with file, line and key in every error."""

from __future__ import annotations

from pathlib import Path

from cv_engine.config.errors import ConfigError
from cv_engine.config.settings import Config
from cv_engine.yaml_file import Problem, read_validated, told


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
    read = read_validated(path, Config)
    problems = list(read.problems)
    if read.value is not None and read.document is not None:
        problems += [
            Problem(read.document.line(["rules", section, "min_size_m"]), text)
            for section, text in read.value.without_scale(read.value.cameras)
        ]
    if read.value is None or problems:
        raise ConfigError(told(path, problems))
    return read.value


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
    values = {
        "cameras": cameras,
        "cases": config.cases.based(base),
        "outlets": config.outlets.based(base),
        "notices": config.notices.based(base),
        "satellite": config.satellite.based(base),
        "sensors": config.sensors.based(base),
        "registry": config.registry.based(base),
        "service": config.service.based(base),
        "store": store,
        "data": data,
    }
    return config.model_copy(update=values)
