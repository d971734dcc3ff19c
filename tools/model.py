"""Check the formal models in docs/model with spin: what is right must hold, and each variant that is broken must fail.

python tools/model.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

MODELS = Path(__file__).parents[1] / "docs" / "model"
DEPTH = 1_000_000
PROGRAMS = ("spin", "cc")


@dataclass(frozen=True)
class Case:
    """A model, and what is left out of the protocol in it."""

    model: str
    without: tuple[str, ...] = ()
    holds: bool = False


CASES = (
    Case("ownership", holds=True),
    Case("ownership", ("NO_TOKEN",)),
    Case("ownership", ("NO_OWNER",)),
    Case("ownership", ("RESCUE_BY_STATE",)),
    Case("ownership", ("SAME_ID",)),
    Case("ownership", ("NO_RESCUE",)),
    Case("recurring", holds=True),
    Case("recurring", ("NO_KEY",), holds=True),  # there are two locks, and either is enough
    Case("recurring", ("NO_VERSION",), holds=True),
    Case("recurring", ("NO_KEY", "NO_VERSION")),
    Case("enqueue", holds=True),
    Case("enqueue", ("NEW_ID",)),
    Case("enqueue", ("DUPLICATES",)),
    Case("enqueue", ("HOPE",)),
)


@dataclass(frozen=True)
class Verdict:
    """What spin says of a case."""

    error: str | None
    """The first thing that goes wrong; None when nothing does."""
    states: int
    """How many states it has looked at."""


def check(case: Case) -> Verdict:
    """Look at every state that a model can be in."""
    with TemporaryDirectory() as folder:
        defines = [f"-D{name}" for name in case.without]
        run(["spin", *defines, "-a", str(MODELS / f"{case.model}.pml")], folder)
        run(["cc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], folder)
        said = run(["./pan", f"-m{DEPTH}"], folder)
    if "max search depth too small" in said:
        raise RuntimeError(f"the search of {case} did not come to its end:\n{said}")
    errors, states = re.search(r"errors: (\d+)", said), re.search(r"(\d+) states, stored", said)
    assert errors is not None
    assert states is not None
    error = re.search(r"pan:\d+: (.*) \(at depth", said)
    return Verdict(error[1] if error and int(errors[1]) else None, int(states[1]))


def run(command: list[str], folder: str) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"There is no {' and no '.join(missing)} on this machine. On Debian: apt install spin gcc libc6-dev")
        return 2
    wrong = 0
    for case in CASES:
        verdict = check(case)
        is_right = (verdict.error is None) is case.holds
        wrong += not is_right
        name = " ".join([case.model, *(f"-D{each}" for each in case.without)])
        said = "holds" if verdict.error is None else f"fails: {verdict.error}"
        print(f"{'ok   ' if is_right else 'WRONG'} {name:<40} {verdict.states:>9,} states   {said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
