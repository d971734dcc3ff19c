"""Text is cut to what it may take, without breaking a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.server.failure import record_exception
from jobrunr.texts import shortened, storable, storable_line

SIZES = st.integers(1, 200)


@given(st.text(st.characters(codec=None), max_size=400), SIZES)
def test_a_line_takes_no_more_bytes_than_it_may(text: str, size: int) -> None:
    assert len(storable_line(text, size).encode()) <= size


@given(st.text(max_size=400), SIZES)
def test_a_line_that_fits_stays_as_it_is(text: str, size: int) -> None:
    text = storable(text)
    if len(text.encode()) <= size:
        assert storable_line(text, size) == shortened(text, size) == text


@given(st.text(max_size=400), SIZES)
def test_what_is_shortened_takes_no_more_bytes_than_it_may(text: str, size: int) -> None:
    assert len(shortened(storable(text), size).encode()) <= size


def test_a_line_in_any_script_is_cut_by_its_bytes() -> None:
    assert storable_line("\N{SNOWMAN}" * 10, 12) == "\N{SNOWMAN}" * 3 + "…"
    assert storable_line("\N{GRINNING FACE}" * 10, 12) == "\N{GRINNING FACE}" * 2 + "…"


@pytest.mark.parametrize("letter", ["x", "é", "\N{SNOWMAN}", "\N{GRINNING FACE}"])
def test_a_traceback_is_cut_in_its_middle_by_its_bytes(letter: str) -> None:
    try:
        raise ValueError(letter * 2**16)
    except ValueError as error:
        record = record_exception(error, max_traceback_size=2**12)
    assert 2**12 - 50 < len(record.traceback.encode()) <= 2**12
    assert record.traceback.startswith("Traceback (most recent call last):\n")
    assert record.traceback.endswith(letter + "\n")
    assert " characters left out ..." in record.traceback
