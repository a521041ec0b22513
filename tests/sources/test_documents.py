import os
import re

import orjson
import pytest

from whoisgate.elements import element
from whoisgate.errors import MalformedDocument, MalformedName, NotADomain, SourceFailed
from whoisgate.sources import DocumentSource


def document(name="bicycle-repair.example", **members):
    card = [["version", {}, "text", "4.0"], ["fn", {}, "text", "Aoife O'Sample"]]
    holder = {"objectClassName": "entity", "roles": ["registrant"], "vcardArray": ["vcard", card]}
    whole = {
        "objectClassName": "domain",
        "rdapConformance": ["rdap_level_0"],
        "ldhName": name,
        "handle": "D1-EX",
        "entities": [holder],
    }
    return orjson.dumps({**whole, **members})


@pytest.fixture(params=["folder", "mapping"])
def source(request, tmp_path):
    documents = {
        "bicycle-repair.example": document(),
        "broken.example": b"{",
        "host.example": document("host.example", objectClassName="nameserver"),
        "moved.example": document("other.example"),
    }
    if request.param == "mapping":
        return DocumentSource(documents)
    for name, raw in documents.items():
        (tmp_path / f"{name}.json").write_bytes(raw)
    return DocumentSource(tmp_path)


def test_finds_the_record_of_a_document(source):
    record = source.find("bicycle-repair.example")
    assert record.values[element("domain.handle")] == "D1-EX"
    assert [(c.role, c.values["name"]) for c in record.contacts] == [
        ("registrant", "Aoife O'Sample")
    ]
    assert record.source == "documents"


def test_finds_nothing_where_there_is_no_document(source):
    assert source.find("nobody.example") is None
    assert source.find(".".join(["a" * 60] * 4)) is None
    assert source.find(f"{'.'.join(['a' * 60] * 4)}.example") is None


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("broken.example", MalformedDocument),
        ("host.example", NotADomain),
        ("moved.example", SourceFailed),
    ],
)
def test_refuses_a_document_that_is_no_domain_of_that_name(source, name, error):
    with pytest.raises(error) as caught:
        source.find(name)
    assert "Sample" not in str(caught.value)


def test_takes_the_time_of_change_as_version_and_reads_afresh(tmp_path):
    file = tmp_path / "bicycle-repair.example.json"
    source = DocumentSource(tmp_path)
    assert source.find("bicycle-repair.example") is None
    file.write_bytes(document())
    os.utime(file, (0, 1_577_934_245))
    assert source.find("bicycle-repair.example").version == "2020-01-02T03:04:05Z"
    file.write_bytes(document(handle="D2-EX"))
    assert source.find("bicycle-repair.example").values[element("domain.handle")] == "D2-EX"


def test_never_leaves_its_folder(tmp_path):
    (tmp_path / "outside.example.json").write_bytes(document("outside.example"))
    (tmp_path / "folder").mkdir()
    source = DocumentSource(tmp_path / "folder")
    for name in ("../outside.example", "/outside.example", "a/../../outside.example"):
        with pytest.raises(MalformedName):
            source.find(name)


def test_refuses_a_missing_folder_and_an_unreadable_document(tmp_path):
    with pytest.raises(SourceFailed, match=re.escape(str(tmp_path / "none"))):
        DocumentSource(tmp_path / "none")
    (tmp_path / "a.example.json").mkdir()
    with pytest.raises(SourceFailed, match="IsADirectoryError"):
        DocumentSource(tmp_path).find("a.example")
