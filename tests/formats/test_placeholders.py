"""Texts that stand for a withheld value, told from values."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whoisgate.formats.placeholders import _BEGINNINGS, _PHRASES, withheld


@pytest.mark.parametrize(
    "text",
    [
        "REDACTED FOR PRIVACY",
        "redacted-for-privacy",
        "  Redacted  for\u00a0GDPR privacy ",
        "Not Disclosed!",
        "NOT DISCLOSED - VISIT www.registry.example",
        "Data Protected, not disclosed",
        "Please query the RDDS service of the Registrar of Record identified in this output",
        "Statutory Masking Enabled",
        "N/A",
        "Nicht öffentlich",
        "données protégées",
        "Datos Protegidos",
        "Dados protegidos",
        "Neveřejný údaj",
        "Данные скрыты",
        "Частное лицо",
        "Gizlenmiştir.",
        "GİZLENMİŞTİR",
        "YAYINLANMIYOR",
        "非公開",
        "비공개",
        "隐私保护",
        "ไม่เปิดเผย",
        "بيانات محمية",
        "ＲＥＤＡＣＴＥＤ　ＦＯＲ　ＰＲＩＶＡＣＹ",
    ],
)
def test_knows_another_servers_words(text):
    assert withheld(text)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_knows_each_phrase_between_brackets_in_every_spelling(spelt, form):
    for phrase in (*_PHRASES.strip().splitlines(), *_BEGINNINGS):
        assert withheld(f"[{unicodedata.normalize(form, spelt(phrase))}]")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada Example",
        "Private Islands Travel",
        "Protected Species Society",
        "Redacted Records Ltd.",
        "Ms. Hidden",
        "NL",
        "NA",
        "1 Private Road",
        "A private person of Sampletown",
    ],
)
def test_takes_no_name_for_a_placeholder(text):
    assert not withheld(text)


@given(st.text())
def test_depends_on_letters_and_digits_alone(text):
    assert withheld(text) == withheld(f" - {text} !")
