"""Labels, dates and closed shapes of WHOIS text: tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.elements import ELEMENTS
from whoisgate.formats.whois import shapes, vocabulary
from whoisgate.formats.whois.dates import Dates
from whoisgate.formats.whois.labels import NOTHING, folded, meaning, rows


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("Registrar", "registrar.name"),
        ("Sponsoring Registrar IANA ID", "registrar.iana_id"),
        ("Registrar Abuse Contact E-mail", "registrar.abuse_email"),
        ("Registrant State/Province", "registrant.state"),
        ("registrant_contact_name", "registrant.name"),
        ("adm-email", "admin.email"),
        ("tec-zipcode", "tech.postal_code"),
        ("Admin FAX Ext.", "admin.fax_ext"),
        ("Registrant Street2", "registrant.street"),
        ("Technical Contact Facsimile Number", "tech.fax"),
        ("billing-c", "billing.name"),
        ("AC E-Mail", "admin.email"),
        ("ns_name_02", "domain.nameserver"),
        ("Estado / Status", "domain.status"),
        ("Contacto Administrativo (Administrative Contact)", "admin.name"),
        ("Domain Expiration Date (dd/mm/yyyy)", "domain.expires"),
        ("Дата регистрации", "domain.created"),
        ("ドメイン名", "domain.name"),
        ("有効期限", "domain.expires"),
        ("등록일", "domain.created"),
        ("Última actualización", "domain.updated"),
        ("Registrar Contact Person", ""),
        ("Customer Service Email", ""),
        ("Registrant Favourite Colour", ""),
        ("", ""),
        ("x" * 200, ""),
        ("registrar " * 40, ""),
    ],
)
def test_knows_what_a_label_means(label, target):
    assert meaning(label).target == target


@pytest.mark.parametrize(
    ("label", "field"),
    [("Name", "name"), ("e-mail", "email"), ("nic-hdl", "handle"), ("電話番号", "phone")],
)
def test_knows_relative_labels_but_gives_them_no_target(label, field):
    assert (meaning(label).field, meaning(label).target) == (field, "")


@given(st.text(max_size=60))
def test_gives_a_meaning_of_any_label(label):
    known = meaning(label)
    assert known is NOTHING or isinstance(known.target, str)


def test_has_only_targets_that_the_registry_or_the_reader_knows():
    beside = {
        "domain.name", "domain.nameserver", "nameserver.address", "registrar.provider",
        "registrar.referral", "registrar.referral_url", "registrant.kind",
    }  # fmt: skip
    tables = (vocabulary.PUBLIC, vocabulary.JOINED)
    targets = {target for table in tables for target, _ in rows(table)}
    assert targets <= set(ELEMENTS) | beside


def test_has_no_word_of_a_person_among_the_public_labels():
    public = {
        label for target, label in rows(vocabulary.PUBLIC) if not target.startswith("domain.")
    }
    assert public & {label for _, label in rows(vocabulary.FIELDS)} == set()


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2001-02-03", "2001-02-03T00:00:00Z"),
        ("2001-02-03T04:05:06Z", "2001-02-03T04:05:06Z"),
        ("2001-02-03T04:05:06.789Z", "2001-02-03T04:05:06Z"),
        ("2001-02-03T04:05:06+02:00", "2001-02-03T02:05:06Z"),
        ("2001-02-03T04:05:06-0730", "2001-02-03T11:35:06Z"),
        ("2001-02-03 04:05:06", "2001-02-03T04:05:06Z"),
        ("2001-02-03 04:05:06+02", "2001-02-03T02:05:06Z"),
        ("2001-02-03 00:05:06 (JST)", "2001-02-02T15:05:06Z"),
        ("2001/02/03 04:05:06 (GMT+1:00)", "2001-02-03T03:05:06Z"),
        ("2001.02.03", "2001-02-03T00:00:00Z"),
        ("2001. 02. 03.", "2001-02-03T00:00:00Z"),
        ("2001年2月3日", "2001-02-03T00:00:00Z"),
        ("2001년 2월 3일", "2001-02-03T00:00:00Z"),
        ("20010203 #1234", "2001-02-03T00:00:00Z"),
        ("20010203040506", "2001-02-03T04:05:06Z"),
        ("before 20010203", "2001-02-03T00:00:00Z"),
        ("3.2.2001", "2001-02-03T00:00:00Z"),
        ("03-02-2001", "2001-02-03T00:00:00Z"),
        ("03/02/2001", "2001-02-03T00:00:00Z"),
        ("02/13/2001", "2001-02-13T00:00:00Z"),
        ("03-Feb-2001", "2001-02-03T00:00:00Z"),
        ("03-feb-2001 04:05:06 UTC", "2001-02-03T04:05:06Z"),
        ("3rd February 2001", "2001-02-03T00:00:00Z"),
        ("3. Februar 2001", "2001-02-03T00:00:00Z"),
        ("3 de febrero de 2001", "2001-02-03T00:00:00Z"),
        ("3 февраля 2001", "2001-02-03T00:00:00Z"),
        ("February  3 2001", "2001-02-03T00:00:00Z"),
        ("Sat Feb 03 04:05:06 GMT 2001", "2001-02-03T04:05:06Z"),
        ("Sat Feb 3 2001", "2001-02-03T00:00:00Z"),
        ("Sat, 3 Feb 2001 04:05:06 +0500", "2001-02-02T23:05:06Z"),
        ("2001-Feb-03.", "2001-02-03T00:00:00Z"),
        ("ada@person.example 20010203", "2001-02-03T00:00:00Z"),
        ("ada@person.example 20010203 (Changed)", "2001-02-03T00:00:00Z"),
        ("2001-02-30", ""),
        ("2001-13-01", ""),
        ("99.99.9999", ""),
        ("1234567", ""),
        ("123456789", ""),
        ("+1.5555550100", ""),
        ("192.0.2.1", ""),
        ("in 2001", ""),
        ("1901-02-03", ""),
        ("9999-12-31", ""),
        ("never", ""),
        ("", ""),
    ],
)
def test_reads_a_date_in_closed_shapes(said, instant):
    assert Dates(said).instant(said) == instant


@pytest.mark.parametrize(
    ("beside", "instant"),
    [
        ("", "2001-02-03T00:00:00Z"),
        ("Format: MM/DD/YYYY", "2001-03-02T00:00:00Z"),
        ("Created: 02/13/2001", "2001-03-02T00:00:00Z"),
        ("Created: 13/02/2001", "2001-02-03T00:00:00Z"),
        ("Created: 13/02/2001, then 02/13/2001", "2001-02-03T00:00:00Z"),
        ("dd/mm/yyyy; 02/13/2001", "2001-02-03T00:00:00Z"),
    ],
)
def test_decides_the_order_of_day_and_month_by_what_the_text_shows(beside, instant):
    assert Dates(f"{beside}\n03/02/2001").instant("03/02/2001") == instant


@given(st.text(max_size=200))
def test_gives_an_instant_or_nothing_of_any_text(said):
    found = Dates(said).instant(said)
    assert found == "" or (len(found) == 20 and found.endswith("Z"))


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("NS1.EXAMPLE.NET.", ["ns1.example.net"]),
        ("ns1.example.net ns2.example.net", ["ns1.example.net", "ns2.example.net"]),
        ("ns1.example.net, ns2.example.net", ["ns1.example.net", "ns2.example.net"]),
        ("ns1.example.net [OK]", ["ns1.example.net"]),
        ("example.com NS ns1.example.net.", ["ns1.example.net"]),
        ("ns1.example.net. not.defined.", ["ns1.example.net"]),
        ("ns1.example.net of ada.example", ["ns1.example.net"]),
        ("Ada ns1.example.net", []),
        ("192.0.2.1", []),
        ("ns1", []),
        ("-ns1.example.net", []),
        ("ada@person.example", []),
        ("ns1." + "a" * 64 + ".example", []),
        ("", []),
    ],
)
def test_reads_name_servers_up_to_the_first_other_word(said, names):
    assert [server.name for server in shapes.servers(said)] == names


def test_keeps_the_addresses_beside_a_name_server():
    (server,) = shapes.servers("ns1.example.net [192.0.2.1 2001:DB8::1] 999.0.2.1")
    assert (server.ipv4, server.ipv6) == (("192.0.2.1",), ("2001:db8::1",))


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("clientHold https://icann.org/epp#clientHold", ["clientHold"]),
        ("CLIENT TRANSFER PROHIBITED", ["clientTransferProhibited"]),
        ("client_transfer_prohibited,server-hold", ["clientTransferProhibited", "serverHold"]),
        ("serverDeleteProhibited (locked by request)", ["serverDeleteProhibited"]),
        ("clientHold - to be paid", []),
        ("clientDeleteProhibited - by request", ["clientDeleteProhibited"]),
        ("REGISTERED, DELEGATED, VERIFIED", ["ok", "ok", "validated"]),
        ("200 Active", ["ok"]),
        ("Transfer Locked", ["transfer prohibited"]),
        ("in quarantine", ["redemptionPeriod"]),
        ("Ada Example", []),
        ("", []),
    ],
)  # fmt: skip
def test_maps_statuses_to_registered_names(said, names):
    assert list(shapes.statuses(said)) == names


@pytest.mark.parametrize(
    ("said", "code"),
    [("nl", "NL"), ("US (UNITED STATES)", "US"), ("United States (US)", "US"), ("Österreich", "AT"),
     ("Netherlands", "NL"), ("Atlantis", ""), ("", ""), ("N1", ""), ("(NL", "NL")],
)  # fmt: skip
def test_reads_a_country_as_a_code(said, code):
    assert shapes.country(said) == code


@pytest.mark.parametrize(
    ("said", "page"),
    [("https://registrar.example/a", "https://registrar.example/a"),
     ("www.registrar.example", "http://www.registrar.example"),
     ("https://registrar.example/?q=ada", ""), ("https://ada@registrar.example/", ""),
     ("ada@person.example", ""), ("javascript:alert(1)", ""), ("Ada", "")],
)  # fmt: skip
def test_reads_a_web_page_without_query_or_user(said, page):
    assert shapes.web(said) == page


def test_folds_labels_to_letters():
    assert folded("  Última.Actualización_2 (x)") == "ultima actualizacion x"
