"""The configuration: one model per section of ``config.yaml``, and a loader that reports lines."""

from __future__ import annotations

from cv_engine.config.camera import CameraConfig
from cv_engine.config.errors import ConfigError
from cv_engine.config.loader import default_config_path, load_config, read_config
from cv_engine.config.settings import Config

__all__ = [
    "CameraConfig",
    "Config",
    "ConfigError",
    "default_config_path",
    "load_config",
    "read_config",
]
