"""The analysis without a model: what a page says, sorted and quoted, and nothing else.

Whatever stands between “ and ” in an answer stands on the page; what stands around it is fixed wording, or follows from
the page by a rule that the function's docstring states. Different pages therefore give different answers, and a page that
says little gets an answer that says so.
"""

from jobline_worker.pipelines.content.analysis.embedded.audiences import audiences
from jobline_worker.pipelines.content.analysis.embedded.pitches import pitches
from jobline_worker.pipelines.content.analysis.embedded.portrait import portrait

__all__ = ["audiences", "pitches", "portrait"]
