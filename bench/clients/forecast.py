"""The object that every client asks for: nested, with lists, an enumeration, bounds and an optional field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Day(BaseModel):
    """One day of the forecast."""

    name: str
    degrees: float
    sky: Literal["clear", "cloudy", "rain"]


class Forecast(BaseModel):
    """The weather of some days in one city."""

    city: str
    days: list[Day]
    is_warning: bool
    note: str | None
