from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).with_name("right_and_wrong.py")


def marked_lines() -> set[int]:
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, start=1) if re.search(r"# wrong: \S", line)}


def run(*command: str) -> str:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def lines_of(findings: dict[int, list[str]], lines: set[int]) -> str:
    return "\n".join(f"line {line}: {' / '.join(findings.get(line, ['nothing was found']))}" for line in sorted(lines))


def check(findings: dict[int, list[str]]) -> None:
    missed, surplus = marked_lines() - findings.keys(), findings.keys() - marked_lines()

    assert not missed, f"wrong, but taken for right:\n{lines_of(findings, missed)}"
    assert not surplus, f"right, but taken for wrong:\n{lines_of(findings, surplus)}"


def test_mypy_finds_what_is_wrong_and_nothing_else() -> None:
    output = run("mypy", "--strict", "--output=json", "--no-error-summary", str(CASES))

    findings: dict[int, list[str]] = {}
    for line in output.splitlines():
        finding = json.loads(line)
        if finding["severity"] == "error":
            assert Path(finding["file"]).name == CASES.name, finding
            findings.setdefault(finding["line"], []).append(finding["message"])
    check(findings)


def test_pyright_finds_what_is_wrong_and_nothing_else() -> None:
    report = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, str(CASES)))

    findings: dict[int, list[str]] = {}
    for finding in report["generalDiagnostics"]:
        if finding["severity"] == "error":
            findings.setdefault(finding["range"]["start"]["line"] + 1, []).append(finding["message"])
    check(findings)


def test_there_is_something_to_find() -> None:
    assert len(marked_lines()) > 30
