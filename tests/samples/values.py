"""Types of arguments, as applications define them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, NotRequired, TypedDict

import attrs
import msgspec
import pydantic


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "l"


@dataclass(frozen=True)
class Line:
    article: str
    price: Decimal
    count: int = 1


@dataclass
class Order:
    id: int
    lines: list[Line] = field(default_factory=list)
    ordered_at: datetime | None = None
    color: Color = Color.RED


@attrs.define
class Address:
    street: str
    since: date | None = None


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Circle(msgspec.Struct, tag="circle"):
    radius: float


class Square(msgspec.Struct, tag="square"):
    side: float


class Span(NamedTuple):
    start: int
    end: int


class Options(TypedDict):
    title: str
    copies: NotRequired[int]


class Customer(pydantic.BaseModel):
    name: str
    born: date
    tags: set[str] = set()


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    born: datetime = pydantic.Field(alias="bornAt")


@dataclass(eq=False)
class Unequal:
    value: int


@dataclass
class Checked:
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise KeyError("negative")


class Row:
    """As an object-relational mapper makes them."""

    def __init__(self, id: int) -> None:
        self.id = id
