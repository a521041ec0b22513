import pytest

from whoisgate.errors import AmbiguousRecord
from whoisgate.records import Record
from whoisgate.sources import MemorySource


def test_finds_by_canonical_name():
    record = Record.of("Bicycle-Repair.example", {"registrant.name": "Aoife O'Sample"})
    source = MemorySource([record])
    assert source.find("bicycle-repair.example") is record
    assert source.find("other.example") is None
    assert MemorySource().find("bicycle-repair.example") is None


def test_refuses_two_records_of_one_name():
    with pytest.raises(AmbiguousRecord, match=r"`a\.example`"):
        MemorySource([Record.of("a.example", {}), Record.of("A.example", {})])
