"""What every table of a configuration file is, and the numbers that several of them hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1, strict=True)]
Rate = Annotated[float, Field(ge=1e-12, le=1, strict=True)]
Budget = Annotated[int, Field(ge=0, le=512, strict=True)]
TokenId = Annotated[int, Field(ge=0, strict=True)]


class Table(BaseModel):
    """A TOML table: unknown keys are refused, numbers are finite, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
