"""The exits: RDAP over HTTP and WHOIS on port 43, both from the same gate."""
