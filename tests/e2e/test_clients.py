"""Other people's RDAP clients read our answers."""

import time

import whoisit


def test_whoisit_reads_a_domain(gateway):
    name = (gateway.folder / "demo" / "domains.txt").read_text().split()[0]
    service = [[name.rpartition(".")[2]], [gateway.base_url]]
    whoisit.clear_bootstrapping()
    whoisit.load_bootstrap_data(
        {
            "timestamp": int(time.time()),
            "dns": {"services": [service]},
            "asn": {"services": [[["1-2"], [gateway.base_url]]]},
            "ipv4": {"services": [[["192.0.2.0/24"], [gateway.base_url]]]},
            "ipv6": {"services": [[["2001:db8::/32"], [gateway.base_url]]]},
            "object": {"services": [[["x@example.com"], ["EX"], [gateway.base_url]]]},
        },
        allow_insecure=True,
        from_json=False,
    )
    with whoisit.get_session(allow_insecure_ssl=False) as session:
        read = whoisit.domain(name, session=session)
    assert read["name"].casefold() == name
    assert read["nameservers"]
    assert read["entities"]["registrar"]
    assert read["registration_date"].tzinfo is not None
