"""Texts that other servers put where they withhold a value: nobody's value, in many languages.

A phrase counts only as the whole text, or as its beginning where it is a sentence of its own, so
that a name that happens to hold such a word stays a name. Data alone: to know another server's
words, add a line.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MAX: Final = 512
_BETWEEN: Final = re.compile(r"[\W_]+")


def _folded(text: str) -> str:
    said = unicodedata.normalize("NFKC", text).casefold()
    said = said.replace("i\N{COMBINING DOT ABOVE}", "i").replace("ı", "i")  # Turkish capitals
    return _BETWEEN.sub(" ", said).strip()


_PHRASES: Final = """
    anonymised
    anonymized
    concealed
    confidential
    contact privacy
    data not available
    data not shown
    data privacy
    data protected
    data redacted
    gdpr
    gdpr masked
    gdpr protected
    gdpr redacted
    hidden
    hidden for privacy
    hidden upon user request
    identity protected
    information hidden
    information not available
    information redacted
    masked
    masked for privacy
    n a
    name withheld
    non public
    non public data
    none shown
    not available
    not displayed
    not public
    not published
    not shown
    personal data
    privacy protected
    private
    private data
    private information
    private person
    private registration
    protected
    protected data
    redacted
    redacted privacy
    registrant private
    removed for privacy
    restricted
    undisclosed
    whois privacy
    withheld
    datenschutz
    geschützt
    geschützte daten
    nicht angezeigt
    nicht öffentlich
    nicht veröffentlicht
    verborgen
    afgeschermd
    niet openbaar
    niet zichtbaar
    verborgen gegevens
    anonyme
    ano nymous
    données masquées
    données personnelles
    données protégées
    masqué
    non communiqué
    non diffusé
    non publié
    personne privée
    confidencial
    datos ocultos
    datos privados
    datos protegidos
    no disponible
    no publicado
    oculto
    privado
    protegido
    dados ocultos
    dados pessoais
    dados privados
    dados protegidos
    não disponível
    não publicado
    dati oscurati
    dati personali
    dati protetti
    nascosto
    non pubblicato
    riservato
    dolda uppgifter
    ej publik
    skyddad
    skyddade uppgifter
    beskyttet
    hemmelig
    ikke offentlig
    navn og adressebeskyttet
    skjult
    ei julkinen
    piilotettu
    salattu
    yksityishenkilö
    peidetud
    pole avalik
    varjatud
    nav publiski pieejams
    slēpts
    nevieša informacija
    paslėpta
    dane chronione
    dane niedostępne
    dane ukryte
    niepubliczne
    osoba prywatna
    ukryte
    neuvedeno
    neveřejné
    neveřejný údaj
    skryto
    neverejné
    skryté
    neobjavljeno
    skriveno
    skrito
    adatvédelem
    nem nyilvános
    nem publikus
    rejtett
    date ascunse
    date personale
    date protejate
    nepublicat
    данные скрыты
    закрыто
    защищено
    не опубликовано
    персональные данные
    скрыто
    частное лицо
    дані приховані
    приватна особа
    приховано
    лични данни
    скрит
    απόρρητο
    κρυφό
    μη δημόσιο
    προστατευμένο
    gizli
    gizlenmiştir
    kişisel veri
    yayınlanmıyor
    חסוי
    מוסתר
    بيانات محمية
    محجوب
    مخفي
    محفوظ
    پنهان
    ไม่เปิดเผย
    không công khai
    đã ẩn
    dilindungi
    disembunyikan
    非公開
    非表示
    登録者非公開
    비공개
    개인정보 보호
    保密
    未公开
    隐私保护
    隱私保護
    隐藏
    已隐藏
    受保护
"""
_WHOLE: Final = frozenset(map(_folded, _PHRASES.strip().splitlines()))

_BEGINNINGS: Final = (
    "data protected not disclosed",
    "gdpr data protected",
    "hidden by",
    "information not disclosed",
    "masked by",
    "name undisclosed",
    "not disclosed",
    "not shown please visit",
    "personal data can not be",
    "personal data cannot be",
    "please query the rdds service",
    "please query the registrar",
    "redacted by",
    "redacted due to",
    "redacted for",
    "redacted per",
    "statutory masking",
    "the data of this person is hidden",
    "this information has been redacted",
    "this information is hidden",
    "undisclosed for",
    "withheld by",
    "withheld due to",
    "withheld for",
)


_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII | re.IGNORECASE)
_FIRST_WORDS: Final = frozenset(phrase.partition(" ")[0] for phrase in (*_WHOLE, *_BEGINNINGS))


def withheld(text: str) -> bool:
    """Whether ``text`` says that a value is withheld, and no more."""
    if len(text) > _MAX:
        return False
    if text.isascii():  # folds to itself in lower case, so its first word tells most values apart
        word = _WORD.search(text)
        if word is None or word[0].lower() not in _FIRST_WORDS:
            return False
    said = _folded(text)
    return said in _WHOLE or said.startswith(_BEGINNINGS)
