"""Is anything lost? A server killed at random points, and what its clients were told before."""
