"""What the gateway costs: every target in front of the same mock engine, in one run."""
