"""What a comparison found, as text for people, as JSON, and as annotations on GitHub."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TextIO

import msgspec

from mpipc.evolution.changes import Change, Who
from mpipc.evolution.compare import compare
from mpipc.evolution.places import Places
from mpipc.evolution.versions import Version
from mpipc.evolution.zeros import needs_value
from mpipc.schema.compiled import read_compiled


class Finding(msgspec.Struct, frozen=True):
    """A change as its author sees it: `name` and place of the declaration."""

    rule: str
    breaking: bool
    name: str
    file: str
    line: int
    what: str
    effect: str
    breaks: tuple[Who, ...]
    instead: str


class Report(msgspec.Struct, frozen=True):
    """The findings, those that break first; `drift` are generated files that are out of date."""

    old: str
    new: str
    findings: tuple[Finding, ...]
    drift: tuple[str, ...] = ()

    @property
    def breaking(self) -> int:
        return sum(finding.breaking for finding in self.findings)

    @property
    def ok(self) -> bool:
        """Whether nothing breaks, and nothing is out of date."""
        return not self.breaking and not self.drift


def report(old: Version, new: Version, drift: Iterable[str] = ()) -> Report:
    """Compare two versions. Raises SchemaError for schema files that do not compile."""
    changes = compare(*read_compiled([old.sources, new.sources]))
    places = Places(old.places, new.places)
    findings = [_finding(change, places) for change in changes]
    findings.sort(key=lambda each: (not each.breaking, each.file, each.line))
    return Report(old.label, new.label, tuple(findings), tuple(drift))


def _finding(change: Change, places: Places) -> Finding:
    zeroless = places.zeroless(change.spot)
    if zeroless:
        change = needs_value(change, zeroless)
    file, line = places.where(change.spot)
    return Finding(
        change.rule,
        bool(change.breaks),
        places.title(change.spot),
        file,
        line,
        change.what,
        change.effect,
        change.breaks,
        change.instead,
    )


# ----------------------------------------------------------------------------------------- people


def as_text(report: Report, *, colour: bool = False) -> Iterator[str]:
    """The lines of a report."""
    paint = _paint if colour else _plain
    yield f"{report.new}, compared with {report.old}"
    for finding in report.findings:
        word = paint("breaks", "31") if finding.breaking else paint("safe", "32") + "  "
        yield ""
        yield f"  {word}  {finding.file}:{finding.line}  {finding.name}: {finding.what}"
        who = f"{' and '.join(finding.breaks)}: " if finding.breaks else ""
        yield f"          {who}{finding.effect}"
        if finding.instead:
            yield f"          write instead: {finding.instead}"
    if report.drift:
        yield ""
    for file in report.drift:
        yield f"  {paint('drift', '33')}   {file} is out of date"
    yield ""
    yield paint(_summary(report), "1")


def _summary(report: Report) -> str:
    safe = len(report.findings) - report.breaking
    parts = []
    if report.breaking:
        parts.append(f"{_count(report.breaking, 'change breaks', 'changes break')} the wire")
    if safe:
        parts.append(_count(safe, "change is safe", "changes are safe"))
    if report.drift:
        files = _count(len(report.drift), "file is", "files are")
        parts.append(f"{files} out of date: run `mpipc build`")
    return "; ".join(parts) or "nothing changed"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _plain(text: str, code: str) -> str:
    return text


def wants_colour(stream: TextIO) -> bool:
    """Whether somebody looks at the output, in a terminal that knows colours, and likes them
    (https://no-color.org)."""
    disliked = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not disliked


# --------------------------------------------------------------------------------------- programs


def as_annotations(report: Report) -> Iterator[str]:
    """Workflow commands that make GitHub show each finding beside its line."""
    for finding in report.findings:
        text = f"{finding.name}: {finding.what}. {finding.effect}."
        title = "safe on the wire"
        if finding.breaking:
            title = f"breaks {' and '.join(finding.breaks)}"
            text += f"\nWrite instead: {finding.instead}."
        level = "error" if finding.breaking else "notice"
        yield _annotation(level, finding.file, finding.line, title, text)
    for file in report.drift:
        yield _annotation("error", file, 1, "out of date", "Run `mpipc build` and commit it.")


def _annotation(level: str, file: str, line: int, title: str, text: str) -> str:
    title = _escape(title).replace(":", "%3A").replace(",", "%2C")
    file = _escape(file).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} file={file},line={line},title={title}::{_escape(text)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
