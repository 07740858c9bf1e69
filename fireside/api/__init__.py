"""HTTP assembly: the OpenAI surface, error mapping, middleware, metrics."""
