"""The formal model: `make model` checks all of it, here are one case that holds and some that must not."""

from __future__ import annotations

import shutil

import pytest

from tools import model

SOME = [model.CASES[0], model.CASES[1], model.CASES[-1]]

pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in model.PROGRAMS),
    reason="no spin or no C compiler on this machine: apt install spin gcc libc6-dev",
)


@pytest.mark.parametrize("case", SOME, ids=lambda case: " without ".join([case.model, *case.without]))
def test_what_is_right_holds_and_what_is_broken_fails(case: model.Case) -> None:
    assert (model.check(case).error is None) is case.holds
