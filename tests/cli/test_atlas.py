"""The atlas: complete, escaped, self-contained, the same bytes each time, written safely."""

import base64
import hashlib
import os
import re
from html.parser import HTMLParser

import pytest
from tests.cli.test_policy_show import POLICY
from typer.testing import CliRunner

from whoisgate.cli import app, atlas
from whoisgate.elements import ELEMENTS
from whoisgate.errors import OperatorError
from whoisgate.policy import load_named, load_text
from whoisgate.policy.phrases import REQUESTER

VOID = {"meta"}
ODD = '"<b title=\'x\'>& \\"</b><script>alert(1)</script>"'


class Page(HTMLParser):
    """The elements of a page in order, each with its attributes and the text in it."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        node = {"tag": tag, "text": "", **{k.replace("-", "_"): v for k, v in attrs}}
        self.found.append(node)
        self._open += [node] * (tag not in VOID)

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for node in self._open:
            node["text"] += data

    def all(self, tag, **attributes):
        wanted = attributes.items()
        return [n for n in self.found if n["tag"] == tag and wanted <= n.items()]


@pytest.fixture(scope="module")
def small():
    return load_text(POLICY)


@pytest.fixture(scope="module")
def page(small):
    return Page(atlas.page(small, "at any time"))


def cell(page, requester, element):
    (found,) = [a for a in page.all("a") if a["aria_label"].startswith(f"{requester}, {element}: ")]
    return found


def test_has_a_cell_for_every_requester_and_element(page):
    assert len(page.all("a")) == len(REQUESTER) * len(ELEMENTS)
    assert [th["text"] for th in page.all("th", scope="col")] == ["Element", *REQUESTER.values()]
    rows = page.all("th", scope="row")
    assert sorted(row["text"] for row in rows) == sorted(
        e.label + e.name for e in ELEMENTS.values()
    )
    assert len(page.all("th", scope="rowgroup")) == len({e.group for e in ELEMENTS.values()})


@pytest.mark.parametrize(
    ("requester", "element", "letter", "said"),
    [
        ("The public", "domain.created", "S", "shown whole"),
        ("The public", "registrant.email", "S*", "shown whole, under conditions"),
        ("The public", "registrant.name", "–", "withheld"),
        (
            "Court", "registrant.email", "S†",
            "shown whole, after approval, more than the public has",
        ),
        (
            "Law enforcement", "registrant.email", "S‡",
            ("shown whole, only once the operator switches a dormant rule on, "
            "more than the public has"),
        ),
        ("CSIRT", "registrant.email", "S*", "shown whole, under conditions"),
    ],
)  # fmt: skip
def test_shows_the_most_that_a_requester_can_reach(page, requester, element, letter, said):
    found = cell(page, requester, element)
    assert re.match(r"\D*", found["text"])[0] == letter
    assert found["aria_label"].partition(": ")[2] == said


def test_numbers_the_sentences_that_say_how(page):
    notes = {n["id"]: n["text"] for n in page.all("li") if "id" in n}
    found = cell(page, "Court", "registrant.email")
    said = [notes[f"n{number}"] for number in found["data_notes"].split()]
    assert [re.search(r"\((\w+);", s)[1] for s in said] == ["CONSENT", "ORDER"]
    assert found["href"] == f"#n{found['data_notes'].split()[0]}"
    limited = cell(page, "Court", "registrant.name")["data_notes"].split()
    assert "(NEVER)" in notes[f"n{limited[-1]}"]
    assert cell(page, "The public", "registrant.name")["href"] == "#n0"
    assert page.all("p", id="n0")


def test_names_the_policy_and_its_digest(page, small):
    (footer,) = page.all("footer")
    assert f"Policy {small.name}, version {small.version}, at any time." in footer["text"]
    assert small.digest in footer["text"]
    assert page.all("html", lang="en")


def test_escapes_what_the_policy_says():
    text = POLICY.replace("Made up for a test.", ODD).replace("gdpr", ODD)
    policy = load_text(text)
    assert policy.description == "<b title='x'>& \"</b><script>alert(1)</script>"
    page = Page(atlas.page(policy, "<i>"))
    assert len(page.all("script")) == 1
    assert page.all("i") == [n for n in page.all("b") if "title" in n] == []
    assert [n for n in page.all("p") if n["text"] == policy.description]
    assert any(policy.description in n["text"] for n in page.all("li"))


def test_escapes_attributes_and_text_of_every_element():
    made = atlas.tag("a", "<&", atlas.tag("b", ">"), title="\"'<&", aria_label=None)
    assert made == '<a title="&quot;&#x27;&lt;&amp;">&lt;&amp;<b>&gt;</b></a>'


def test_needs_no_network_and_no_inline_code(small):
    text = atlas.page(small, "at any time")
    page = Page(text)
    assert {n["tag"] for n in page.found} & {"link", "img", "iframe", "object", "base"} == set()
    assert [n for n in page.found if {"src", "style"} & n.keys()] == []
    assert [k for n in page.found for k in n if k.startswith("on")] == []
    assert all(n["href"].startswith("#") for n in page.all("a"))
    (style,), (script,) = page.all("style"), page.all("script")
    assert not re.search(r"url\(|@import|https?:", style["text"] + script["text"])
    (rules,) = [m["content"] for m in page.all("meta") if "http_equiv" in m]
    for part in (style, script):
        digest = hashlib.sha256(part["text"].encode()).digest()
        assert f"'sha256-{base64.b64encode(digest).decode()}'" in rules
    assert rules.startswith("default-src 'none'; ")


def test_makes_the_same_bytes_of_the_same_policy():
    first, second = (atlas.page(load_named("icann-gtld"), "at any time") for _ in range(2))
    assert first == second


def test_counts_each_letter_once():
    assert len(set(atlas.LETTER.values())) == len(atlas.LETTER)
    assert len({mark for mark, _ in atlas.MARK.values()}) == len(atlas.MARK)


def test_writes_the_page_of_a_day(tmp_path):
    policy, out = tmp_path / "small.yaml", tmp_path / "atlas.html"
    policy.write_text(POLICY)
    for _ in range(2):
        options = ["--html", str(out), "--at", "2027-01-01", "--switch", "pilot"]
        done = CliRunner().invoke(app, ["policy", "show", str(policy), *options])
        assert (done.exit_code, done.output) == (0, f"written: {out}\n")
    page = Page(out.read_text("utf-8"))
    assert "under conditions" in cell(page, "Law enforcement", "registrant.email")["aria_label"]
    assert 'at 2027-01-01 with "pilot" switched on' in page.all("footer")[0]["text"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["atlas.html", "small.yaml"]


def test_keeps_the_older_page_when_it_cannot_write(tmp_path, monkeypatch):
    out = tmp_path / "atlas.html"
    out.write_text("older")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atlas.os, "fsync", full)
    with pytest.raises(OperatorError, match="no space left on device"):
        atlas.write(out, "newer")
    assert out.read_text() == "older"
    assert [p.name for p in tmp_path.iterdir()] == ["atlas.html"]


def test_writes_through_no_link(tmp_path):
    out, target = tmp_path / "atlas.html", tmp_path / "target"
    target.write_text("untouched")
    out.symlink_to(target)
    atlas.write(out, "page")
    assert (out.read_text(), target.read_text()) == ("page", "untouched")
    assert not out.is_symlink()


def test_writes_through_nothing_that_lies_in_its_way(tmp_path):
    out, target = tmp_path / "atlas.html", tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / f".atlas.html.{os.getpid()}").symlink_to(target)
    with pytest.raises(OperatorError, match="file exists"):
        atlas.write(out, "page")
    assert target.read_text() == "untouched"


def test_says_where_it_cannot_write(tmp_path):
    out = tmp_path / "none" / "atlas.html"
    with pytest.raises(OperatorError, match=r"none/atlas\.html` cannot be written: no such file"):
        atlas.write(out, "page")
