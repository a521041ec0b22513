"""RDAP JSON and WHOIS text, both ways; no sockets.

Encoders take views and never records. ``disclosure_request`` needs the ``gateway`` extra.
"""
