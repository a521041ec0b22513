"""The atlas of a policy: one page of who can see what, for a browser and for paper.

A page is self-contained: no network, no font, no framework; its style and script are named by
hash in a Content-Security-Policy, and it reads without script too. Same policy, same bytes. What
is not `HTML` is escaped where it enters the page.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

from whoisgate.elements import ELEMENTS, REGISTRY_VERSION, Element, Kind
from whoisgate.errors import OperatorError
from whoisgate.policy import phrases
from whoisgate.policy.model import Policy
from whoisgate.policy.plain import told
from whoisgate.policy.reach import How, Reach, reach

LETTER: Final[Mapping[Kind, str]] = {
    Kind.WITHHOLD: "–",  # noqa: RUF001  a dash, not a minus
    Kind.REPLACE: "F",
    Kind.PSEUDONYM: "P",
    Kind.GENERALISE: "Y",
    Kind.RELEASE: "S",
}
MARK: Final[Mapping[How, tuple[str, str]]] = {
    How.ALWAYS: ("", "always"),
    How.CONDITIONS: ("*", "under conditions"),
    How.APPROVAL: ("†", "after approval"),
    How.SWITCH: ("‡", "only once the operator switches a dormant rule on"),
}


class HTML(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *inner: str, **attributes: object) -> HTML:
    """An element; whatever is not `HTML` is escaped. Attribute names lose a trailing ``_``."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return HTML(f"<{name}{said}>{_joined(inner)}</{name}>")


def page(policy: Policy, when: str) -> str:
    """The whole page; ``when`` says for which time and switches."""
    folder = files(__name__)
    style, script = (folder.joinpath(f"page.{end}").read_text("utf-8") for end in ("css", "js"))
    notes = _Notes()
    matrix = _matrix(policy, notes)
    title = f"Who can see what: {policy.name} {policy.version}"
    rules = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        HTML('<meta charset="utf-8">'),
        HTML(f'<meta http-equiv="Content-Security-Policy" content="{escape(rules)}">'),
        HTML('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        HTML('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", HTML(style)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), *_about(policy), _legend()),
        tag("main", matrix, notes.section(), tag("dialog", aria_labelledby="about")),
        _footer(policy, when),
        tag("script", HTML(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def write(path: Path, text: str) -> None:
    """Put a finished file in place; raises `OperatorError`, and leaves an older one as it was."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # O_EXCL: what already lies there, a link too, is never written through.
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError:
            fresh.unlink()
            raise
    except OSError as error:
        reason = (error.strerror or "unwritable").lower()
        raise OperatorError(f"`{path}` cannot be written: {reason}") from None


class _Notes:
    """The sentences of the page, numbered as they come: first what the public sees."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, sentences: Iterable[str]) -> list[int]:
        return [self._numbers.setdefault(s, len(self._numbers) + 1) for s in sentences]

    def section(self) -> HTML:
        none = tag("p", "A cell without a number: no rule shows the element.", id="n0")
        listed = (tag("li", said, id=f"n{number}") for said, number in self._numbers.items())
        return tag("section", tag("h2", "Notes"), none, tag("ol", *listed), class_="notes")


def _matrix(policy: Policy, notes: _Notes) -> HTML:
    heads = (tag("th", name, scope="col") for name in phrases.REQUESTER.values())
    groups: dict[str, list[Element]] = {}
    for element in sorted(ELEMENTS.values(), key=lambda e: e.role is None):
        groups.setdefault(element.group, []).append(element)
    for element in ELEMENTS.values():
        notes.numbers(told(reach(policy, element, "public").seen, hidden=False))
    bodies = [
        tag("tbody", _heading(phrases.GROUP[group]), *(_row(policy, e, notes) for e in members))
        for group, members in groups.items()
    ]
    head = tag("thead", tag("tr", tag("th", "Element", scope="col"), *heads))
    table = tag(
        "table", head, *bodies, role="grid", aria_readonly="true",
        aria_label="Elements by class of requester",
    )  # fmt: skip
    return tag("div", table, class_="matrix")


def _heading(group: str) -> HTML:
    width = len(phrases.REQUESTER) + 1
    head = tag("th", tag("span", group), colspan=width, scope="rowgroup")
    return tag("tr", head, class_="group")


def _row(policy: Policy, element: Element, notes: _Notes) -> HTML:
    name = tag("th", element.label, tag("code", element.name), scope="row")
    cells = (
        _cell(element, title, reach(policy, element, word), notes)
        for word, title in phrases.REQUESTER.items()
    )
    return tag("tr", name, *cells)


def _cell(element: Element, requester: str, found: Reach, notes: _Notes) -> HTML:
    numbers = sorted(notes.numbers(told(found.seen, hidden=False)))
    kind = found.treatment.kind
    mark, how = MARK[found.how]
    parts = [phrases.SEEN[kind], *[how] * bool(mark)]
    parts += ["more than the public has"] * (not found.as_public)
    link = tag(
        "a",
        tag("b", LETTER[kind] + mark),
        tag("small", _ranges(numbers)),
        href=f"#n{numbers[0] if numbers else 0}",
        aria_label=f"{requester}, {element.name}: {', '.join(parts)}",
        data_notes=" ".join(map(str, numbers)),
    )
    more = "" if found.as_public else " more"
    return tag("td", link, class_=f"{kind.name.lower()} {found.how}{more}")


def _about(policy: Policy) -> list[HTML]:
    draft = "A draft: some law that it cites has not been checked." if policy.draft else ""
    return [tag("p", said) for said in (policy.description, draft) if said]


def _legend() -> HTML:
    letters = [
        tag("li", tag("b", LETTER[kind], class_=kind.name.lower()), f" {phrases.SEEN[kind]}")
        for kind in reversed(Kind)
    ]
    marks = [tag("li", tag("b", mark), f" {how}") for mark, how in MARK.values() if mark]
    looks = [
        tag("li", tag("b", "S", class_="release conditions"), " striped: not always"),
        tag("li", tag("b", "S", class_="release more"), " framed: more than the public has"),
    ]
    keys = tag(
        "p",
        "Each cell shows the most that a class of requester can reach, and the numbers of the "
        "notes that say how. Arrow keys move in the table, Enter opens a cell, Escape closes it.",
    )
    return tag("div", tag("ul", *letters, *marks, *looks), keys, class_="legend")


def _footer(policy: Policy, when: str) -> HTML:
    return tag(
        "footer",
        tag("p", f"Policy {policy.name}, version {policy.version}, {when}. "
                 f"Registry of elements {REGISTRY_VERSION}."),
        tag("p", "SHA-256 of the policy: ", tag("code", policy.digest)),
    )  # fmt: skip


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers as runs, separated by commas."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]}–{p[-1]}" if p[1:] else str(p[0]) for p in parts)  # noqa: RUF001


def _joined(inner: Iterable[str]) -> str:
    return "".join(part if isinstance(part, HTML) else escape(part) for part in inner)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
