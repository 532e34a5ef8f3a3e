"""Settings of the python executor beside those of every executor: the environments of bundles."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from executors.runtime.environments import EnvironmentPolicy
from executors.runtime.settings import SettingsError


class PythonSettings(BaseSettings):
    """Environments that are built from a bundle's requirements.txt. pip's own settings (PIP_INDEX_URL …) hold too."""

    model_config = SettingsConfigDict(env_prefix="OPS_PYTHON_", extra="ignore", frozen=True)

    wheelhouse: Path | None = Field(None, description="Folder of wheels to install from, in place of an index.")
    build_seconds: float = Field(default=900.0, gt=0, description="Seconds that a build may take.")
    environments_bytes: int = Field(
        default=20 * 1024**3, gt=0, description="Bytes of environments that are kept; those used longest ago go first."
    )
    environments_days: float = Field(default=30.0, gt=0, description="Days for which an unused environment is kept.")

    def policy(self) -> EnvironmentPolicy:
        """SettingsError when the wheelhouse is no folder."""
        if self.wheelhouse and not self.wheelhouse.is_dir():
            raise SettingsError(f"OPS_PYTHON_WHEELHOUSE: there is no folder {self.wheelhouse}")
        wheelhouse = self.wheelhouse.resolve() if self.wheelhouse else None
        return EnvironmentPolicy(wheelhouse, self.build_seconds, self.environments_bytes, self.environments_days)
