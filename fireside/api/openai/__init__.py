"""The developer's API: the OpenAI surface, `/v1/*`."""
