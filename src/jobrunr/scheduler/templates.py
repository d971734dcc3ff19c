"""Names and labels with fields: ``Send welcome to {0}``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any


class _CallFormatter(Formatter):
    """`str.format` over a call. An unknown field stays as it is written, and no field reaches into private attributes."""

    def fill_in(self, template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        for literal, field, spec, conversion in self.parse(template):
            pieces.append(literal)
            if field is not None:
                pieces.append(self._field(field, spec or "", conversion, args, kwargs))
        return "".join(pieces)

    def _field(self, field: str, spec: str, conversion: str | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        written = "{" + field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
        if "._" in field:
            return written
        try:
            value, _ = self.get_field(field, args, kwargs)
            return str(self.format_field(self.convert_field(value, conversion) if conversion else value, spec))
        except Exception:  # noqa: BLE001 - the arguments are user code: their formatting can raise anything
            return written


_formatter = _CallFormatter()


def fill_in(
    template: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any], context: Mapping[str, Any]
) -> str:
    """Replace ``{0}`` and ``{email}`` by the call's arguments, by position or name, and other names by the log context.

    A field that nothing fills stays as it is written: a name must not keep a job from being made.

    >>> signature = inspect.signature(lambda email, retries=3: None)
    >>> fill_in("Welcome {0} ({email}, {retries}) for {tenant} {nobody}", signature, ("ada",), {}, {"tenant": "a"})
    'Welcome ada (ada, 3) for a {nobody}'
    """
    if "{" not in template and "}" not in template:
        return template
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    values = tuple(bound.arguments.values())
    try:
        return _formatter.fill_in(template, values, {**context, **bound.arguments})
    except ValueError:  # a brace on its own: the text was not meant as a template
        return template
