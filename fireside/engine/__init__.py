"""Run a model: the engine port, its backends, the catalogue of public model names."""
