"""Canaries: words that must not come out, and what they look like in every encoding."""

import base64
import functools
import json
import unicodedata
import urllib.parse


@functools.cache
def traces(canary):
    """What a canary looks like in every encoding that a body could hold."""
    return tuple(_traces(canary))


def _traces(canary):
    raw = canary.encode()
    yield raw
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        yield whole[4 if shift else 0 : -2]
        yield base64.urlsafe_b64encode(b"\0" * shift + raw).rstrip(b"=")[4 if shift else 0 : -2]
    yield urllib.parse.quote(canary, safe="").encode()
    yield raw.hex().encode()
    yield json.dumps(canary)[1:-1].encode()
    yield canary.encode("punycode")
    yield canary.encode("utf-16-le")


def folded(text):
    return unicodedata.normalize("NFKC", text).casefold()


def found(canaries, body):
    """The canaries of which ``body`` has a trace."""
    whole = body + urllib.parse.unquote_to_bytes(body)
    plain = folded(body.decode()) + folded(json.dumps(body.decode()))
    return {c for c in canaries if folded(c) in plain or any(trace in whole for trace in traces(c))}


class Canaries:
    """Makes canaries, each once, and remembers them."""

    def __init__(self):
        self.made = {}

    def __call__(self, place, form="{}"):
        word = f"Kanarie\N{LATIN SMALL LETTER E WITH DIAERESIS}{len(self.made):04d}Vogel"
        self.made[word] = place
        return form.format(word)
