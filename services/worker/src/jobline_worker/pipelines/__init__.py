"""The step pipelines, one folder a surface."""
