# ruff: noqa: E501, RUF001  tables of names in many scripts, one place or domain per line
"""The words that `synthetic` draws from: places with their people's names, and domains.

All invented. Domains stand under suffixes reserved for examples and tests (RFC 2606, and the IDN
test labels that IANA reserves).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A country with what its people and streets are called; ``given`` holds Latin forms too."""

    country: str
    city: str
    state: str
    postal_code: str
    street: str
    given: tuple[tuple[str, str], ...]
    family: tuple[str, ...]


# fmt: off
PLACES: Final = (
    Place("DE", "Musterstadt", "Niedersachsen", "99998", "Lindenweg", (("Jürgen", "juergen"), ("Käthe", "kaethe")), ("Mustermann", "Weißdorn")),
    Place("SE", "Exempelstad", "Skåne", "999 98", "Björkgatan", (("Åsa", "asa"), ("Björn", "bjorn")), ("Exempelsson", "Lövqvist")),
    Place("FR", "Exempleville", "", "99998", "rue des Tilleuls", (("Zoé", "zoe"), ("Gaël", "gael")), ("Dupré-Lavigne", "Châtelet")),
    Place("PL", "Przykładowo", "", "99-998", "ulica Lipowa", (("Łucja", "lucja"), ("Wacław", "waclaw")), ("Przykładowska", "Żółw")),
    Place("ES", "Villa Ejemplo", "Asturias", "99998", "calle del Tilo", (("Íñigo", "inigo"), ("Begoña", "begona")), ("Ejemplo Peña", "Núñez Prado")),
    Place("GR", "Παράδειγμα", "", "999 98", "οδός Φλαμουριάς", (("Ελένη", "eleni"), ("Νίκος", "nikos")), ("Υποθετίδης", "Παραδείγματος")),
    Place("BG", "Примерово", "", "9998", "улица Липова", (("Мила", "mila"), ("Огнян", "ognyan")), ("Примерова", "Образцов")),
    Place("IE", "Samplestown", "Kerry", "Z99 Z998", "Linden Row", (("Aoife", "aoife"), ("Fionn", "fionn")), ("O'Sample", "Mac Eiseamláir")),
    Place("IS", "Dæmisvík", "", "998", "Birkigata", (("Þórdís", "thordis"), ("Sæþór", "saethor")), ("Dæmisdóttir", "Sýnisson")),
    Place("US", "Exampleton", "OR", "99998", "Linden Street", (("Ada", "ada"), ("Wendell", "wendell")), ("Placeholder", "Sampleworth")),
    Place("CA", "Exemple-sur-Mer", "QC", "X9X 9X9", "chemin des Bouleaux", (("Océane", "oceane"), ("Théo", "theo")), ("Modèle", "Bouleau-Fictif")),
    Place("BR", "Exemplópolis", "PR", "99998-998", "Rua das Tílias", (("João", "joao"), ("Inês", "ines")), ("Modelo Fictício", "Exemplar")),
    Place("TR", "Örnekşehir", "", "99998", "Ihlamur Sokağı", (("Gülşen", "gulsen"), ("Işık", "isik")), ("Örnekoğlu", "Denemeci")),
    Place("EG", "مدينة المثال", "", "99998", "شارع الزيزفون", (("ليلى", "layla"), ("كريم", "karim")), ("المثالي", "نموذج")),
    Place("IR", "نمونه‌شهر", "", "9999899998", "خیابان زیرفون", (("پریسا", "parisa"), ("کاوه", "kaveh")), ("نمونه‌پور", "آزمونی")),
    Place("IL", "עיר לדוגמה", "", "9999998", "רחוב התרזה", (("נועה", "noa"), ("איתן", "eitan")), ("דוגמאי", "בן־משל")),
    Place("IN", "उदाहरणपुर", "मध्य प्रदेश", "999998", "नीम मार्ग", (("आशा", "asha"), ("रोहन", "rohan")), ("उदाहरणकर", "नमूना")),
    Place("LK", "மாதிரியூர்", "", "99998", "வேம்பு தெரு", (("கயல்", "kayal"), ("இளங்கோ", "ilango")), ("மாதிரியன்", "எடுத்துக்காட்டு")),
    Place("TH", "เมืองตัวอย่าง", "", "99998", "ถนนมะขาม", (("มะลิ", "mali"), ("กล้า", "kla")), ("ตัวอย่างดี", "สมมุติวงศ์")),
    Place("CN", "示例市", "范例省", "999998", "椴树路", (("小禾", "xiaohe"), ("一鸣", "yiming")), ("范例", "样")),
    Place("TW", "範例市", "", "99998", "菩提樹街", (("芷晴", "zhiqing"), ("柏安", "boan")), ("範例", "樣")),
    Place("JP", "例示市", "見本県", "999-9998", "菩提樹通り", (("さくら", "sakura"), ("カイ", "kai")), ("見本", "例田")),
    Place("KR", "보기시", "", "99998", "보리수길", (("하늘", "haneul"), ("가람", "garam")), ("보기", "견본")),
    Place("GE", "მაგალითი", "", "9998", "ცაცხვის ქუჩა", (("ნინო", "nino"), ("ლაშა", "lasha")), ("მაგალითაძე", "ნიმუშიანი")),
    Place("ET", "ምሳሌ ከተማ", "", "9998", "የዋርካ መንገድ", (("ሰላም", "selam"), ("ዳዊት", "dawit")), ("ምሳሌው", "ናሙና")),
    Place("KE", "Mfanoni", "", "99998", "Barabara ya Mbuyu", (("Wanjiru", "wanjiru"), ("Baraka", "baraka")), ("Mfano", "wa Kielelezo")),
)
DOMAINS: Final = (
    ("bicycle-repair.example", "IE", None),
    ("münchner-brezn.example", "DE", "Brezn Beispiel GmbH"),
    ("harbour-books.example", "IE", "Harbour Books Sample Ltd"),
    ("lindgarden.example", "SE", None),
    ("boulangerie-des-tilleuls.example", "FR", "Boulangerie des Tilleuls SARL"),
    ("poterie-zoé.test", "FR", None),
    ("żółty-rower.example", "PL", None),
    ("piekarnia-lipowa.test", "PL", "Piekarnia Lipowa sp. z o.o."),
    ("señor-botijo.example", "ES", "Botijos del Ejemplo SL"),
    ("taller-del-tilo.test", "ES", None),
    ("ελαιώνας.δοκιμή", "GR", "Ελαιώνας Παράδειγμα ΑΕ"),
    ("ποδήλατο.δοκιμή", "GR", None),
    ("кафене.испытание", "BG", "Кафене Пример ООД"),
    ("пчеларство.испытание", "BG", None),
    ("ullarpeysa.example", "IS", None),
    ("þórdís.example", "IS", None),
    ("oak-street-bakery.example", "US", "Oak Street Bakery LLC"),
    ("ada-plays-cello.example", "US", None),
    ("night-sky-club.test", "US", "Night Sky Club of Exampleton"),
    ("sampleworth-family.test", "US", None),
    ("érablière-fictive.example", "CA", "Érablière Fictive inc."),
    ("cerf-volant.test", "CA", None),
    ("feira-do-bairro.example", "BR", "Feira do Bairro Exemplo Ltda"),
    ("violão.test", "BR", None),
    ("örnek-kilim.example", "TR", "Örnek Kilim Ltd. Şti."),
    ("gülşen-seramik.test", "TR", None),
    ("مقهى.إختبار", "EG", "شركة مقهى المثال"),
    ("خزف.إختبار", "EG", None),
    ("کتاب.آزمایشی", "IR", "انتشارات نمونه"),
    ("باغ.آزمایشی", "IR", None),
    ("דוגמה.טעסט", "IL", "דוגמה ספרים בע״מ"),
    ("olive-press.example", "IL", None),
    ("उदाहरण.परीक्षा", "IN", "उदाहरण प्रकाशन"),
    ("साइकिल.परीक्षा", "IN", None),
    ("மாதிரி.பரிட்சை", "LK", "மாதிரி பதிப்பகம்"),
    ("tea-hill.example", "LK", None),
    ("ตัวอย่าง.example", "TH", "บริษัท ตัวอย่างดี จำกัด"),
    ("มะลิ.test", "TH", None),
    ("例子.测试", "CN", "示例书店有限公司"),
    ("自行车.测试", "CN", None),
    ("範例.測試", "TW", "範例茶行"),
    ("山茶.測試", "TW", None),
    ("例え.テスト", "JP", "見本製作所株式会社"),
    ("自転車.テスト", "JP", None),
    ("보기.테스트", "KR", "보기책방"),
    ("자전거.테스트", "KR", None),
    ("მაგალითი.example", "GE", "მაგალითის მარანი"),
    ("ნინო.test", "GE", None),
    ("ምሳሌ.example", "ET", "ምሳሌ ቡና"),
    ("mfano-kahawa.example", "KE", "Kahawa Mfano Ltd"),
    ("safari-ya-baiskeli.test", "KE", None),
)
"""Name, country, and the company that holds it; None for a person."""
# fmt: on
