"""What `generalise` leaves of one value: the year of a date, the area of a phone number.

Text that is not surely a date or an international number leaves nothing: the treatment of a value
that nobody can read is to withhold it. An address part leaves nothing either; its country is an
element of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_SECONDS: Final = slice(17, 19)
_LEAP: Final = "60"


def year(date: str) -> str | None:
    """The first moment, in UTC, of the year of an RFC 3339 date or date and time."""
    if date[_SECONDS] == _LEAP:
        date = f"{date[: _SECONDS.start]}59{date[_SECONDS.stop :]}"
    try:
        moment = datetime.fromisoformat(date.upper())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None
    return f"{moment.year:04}-01-01T00:00:00Z"


def area(number: str) -> str | None:
    """The country calling code of an international number, and its area code if it has one.

    As in ``+31.20``. Only a valid geographic number has an area code: of a mobile, a free or an
    impossible number the country calling code is left alone.
    """
    import phonenumbers  # noqa: PLC0415  0.1 s, and only where a number is generalised

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    digits = phonenumbers.length_of_geographical_area_code(parsed)
    code = phonenumbers.national_significant_number(parsed)[:digits]
    return f"+{parsed.country_code}.{code}" if code else f"+{parsed.country_code}"
