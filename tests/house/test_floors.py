from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SLOW_OR_OPTIONAL = ("alembic", "click", "hypothesis", "psycopg", "pydantic", "pymysql", "pytest", "sqlalchemy")


def test_every_floor_imports_only_from_floors_below_it() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run(
        [lint_imports, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def in_a_new_process(code: str, **environ: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


def test_importing_the_library_imports_nothing_slow_and_nothing_optional() -> None:
    code = f"import sys, jobrunr; print(*sorted(set({SLOW_OR_OPTIONAL}) & set(sys.modules)))"

    assert in_a_new_process(code) == ""


def test_importing_the_library_is_quick() -> None:
    code = "import time; begin = time.process_time(); import jobrunr; print(time.process_time() - begin)"

    assert min(float(in_a_new_process(code)) for _ in range(3)) < 0.5


def test_importing_the_library_reads_no_settings() -> None:
    assert in_a_new_process("import jobrunr; print('fine')", JOBRUNR_RETRIES="nonsense") == "fine"


def test_making_an_application_imports_no_driver_and_connects_to_nothing() -> None:
    code = "import sys, jobrunr; jobrunr.JobRunr('postgresql://nowhere.invalid/shop'); print('psycopg' in sys.modules)"

    assert in_a_new_process(code) == "False"
