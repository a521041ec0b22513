"""Who is asking: credentials in, `Requester` out. Nothing here decides what a requester may see."""
