"""The jobs of the demo. What they return is kept as their result, and the last of them reads it from there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path

from jobrunr import FixedDelays, Job, JobScheduler, JobState, current_job, job

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

MOST_FUNCTIONS = 10
_PAGE = 1000


@dataclass(frozen=True, order=True)
class LongFunction:
    """A function and how long it is."""

    lines: int
    name: str
    """As in a traceback: ``Class.method``."""
    file: str
    line: int


@dataclass(frozen=True)
class FileCounts:
    """What is in a file."""

    lines: int
    functions: int
    classes: int
    longest: list[LongFunction]
    """The longest functions, the longest first."""


@dataclass(frozen=True)
class DocumentationCounts:
    """How well the files of a package are documented."""

    definitions: int = 0
    """Modules, classes and functions."""
    documented: int = 0
    words: int = 0

    def __add__(self, other: DocumentationCounts) -> DocumentationCounts:
        return DocumentationCounts(
            self.definitions + other.definitions, self.documented + other.documented, self.words + other.words
        )


@dataclass(frozen=True)
class Failure:
    """A job that did not succeed, and why."""

    job_id: str
    name: str
    reason: str
    attempts: int


@dataclass(frozen=True)
class Totals:
    """What the report says."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    packages: int = 0
    documentation: DocumentationCounts = field(default_factory=DocumentationCounts)
    longest: list[LongFunction] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@job(name="Count {file}", labels=["file"], priority=1, retry=FixedDelays(1, 1))
def count_file(folder: str, file: str) -> FileCounts:
    """Count what is in a file. One that does not parse is tried twice more, a second apart, and then fails: as good a
    stand-in for trouble as any."""
    source = (Path(folder) / file).read_bytes()
    definitions = list(_definitions(ast.parse(source, filename=file)))
    functions = [
        LongFunction(_length(node), name, file, node.lineno)
        for name, node in definitions
        if not isinstance(node, ast.ClassDef)
    ]
    return FileCounts(
        lines=len(source.splitlines()),
        functions=len(functions),
        classes=len(definitions) - len(functions),
        longest=nlargest(MOST_FUNCTIONS, functions),
    )


@job(name="Read the documentation of {package}", labels=["package"])
def read_documentation(folder: str, package: str) -> DocumentationCounts:
    """Read the documentation strings of a package, module by module. It goes on where a module does not parse."""
    context = current_job()
    total = DocumentationCounts()
    modules = sorted((Path(folder) / package).glob("*.py"))
    progress = context.progress(total=len(modules))
    for module in modules:
        try:
            counts = _documentation(ast.parse(module.read_bytes()))
        except (SyntaxError, ValueError) as error:
            context.log.warning("%s does not parse: %s", module.name, error)
            progress.advance_failed()
            continue
        total += counts
        context.log.info("%s: %d of %d documented", module.name, counts.documented, counts.definitions)
        progress.advance()
    context.metadata["share"] = round(total.documented / total.definitions, 3) if total.definitions else None
    return total


class Report:
    """Makes the report. Its scheduler comes from the application, through the `JobActivator`."""

    def __init__(self, scheduler: JobScheduler) -> None:
        self._scheduler = scheduler

    @job(name="Report")
    def write(self) -> Totals:
        """Sum up what the other jobs found."""
        counts = [job.result_as(FileCounts) for job in self._succeeded("file")]
        documentation = [job.result_as(DocumentationCounts) for job in self._succeeded("package")]
        return Totals(
            files=len(counts),
            lines=sum(count.lines for count in counts),
            functions=sum(count.functions for count in counts),
            classes=sum(count.classes for count in counts),
            packages=len(documentation),
            documentation=sum(documentation, DocumentationCounts()),
            longest=nlargest(MOST_FUNCTIONS, (function for count in counts for function in count.longest)),
            failures=sorted((_failure(job) for job in self._all(JobState.FAILED)), key=lambda failure: failure.name),
        )

    def _succeeded(self, label: str) -> Iterator[Job]:
        return self._all(JobState.SUCCEEDED, label)

    def _all(self, state: JobState, label: str | None = None) -> Iterator[Job]:
        cursor = None
        while True:
            page = self._scheduler.find(state=state, label=label, limit=_PAGE, after=cursor)
            yield from page
            cursor = page.next
            if cursor is None:
                return


def _definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """All functions and classes, each with its qualified name. Only statements are visited: expressions, of which there are
    far more, define nothing that has a name."""
    to_visit: list[tuple[str, ast.AST]] = [("", tree)]
    for path, node in to_visit:
        for child in _statements_in(node):
            if isinstance(child, Definition):
                yield f"{path}{child.name}", child
                to_visit.append((f"{path}{child.name}.", child))
            else:
                to_visit.append((path, child))


def _statements_in(node: ast.AST) -> Iterator[ast.AST]:
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        statements = getattr(node, block, None)
        if isinstance(statements, list):  # the body of a lambda and of a conditional expression is none
            yield from statements


def _length(function: ast.stmt) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _documentation(tree: ast.Module) -> DocumentationCounts:
    definitions = [tree, *(definition for _, definition in _definitions(tree))]
    texts = [text for node in definitions if (text := ast.get_docstring(node, clean=False))]
    return DocumentationCounts(len(definitions), len(texts), sum(len(text.split()) for text in texts))


def _failure(job: Job) -> Failure:
    change = job.last_exception
    exception = change.exception if change else None
    reason = f"{exception.type.rpartition('.')[2]}: {exception.message}" if exception else "unknown"
    return Failure(str(job.id), job.name, reason, job.attempts)
