"""The writer that needs no model: it knows the craft of going about things and what to look for in a few fields.

`craft.toml` and `fields.toml` hold what is true in general; what is said of a business comes from the brief alone. The same
brief always gives the same post.
"""

from jobline_worker.pipelines.content.generation.embedded.polishing import polished
from jobline_worker.pipelines.content.generation.embedded.writer import Plan, plan_of

__all__ = ["Plan", "plan_of", "polished"]
