"""Small subjects without a domain: time, identity, paging, event streams, hashing."""
