"""The pipelines of the jobs API: website analysis and content generation.

`EMBEDDED_TASKS` is what the embedded language model answers for both.
"""

from jobline_worker.pipelines.content.analysis.embedded_tasks import EMBEDDED_TASKS as ANALYSIS_TASKS
from jobline_worker.pipelines.content.content_generation import GenerateContent
from jobline_worker.pipelines.content.generation.embedded_tasks import EMBEDDED_TASKS as GENERATION_TASKS
from jobline_worker.pipelines.content.website_analysis import AnalyzeWebsite

__all__ = ["EMBEDDED_TASKS", "AnalyzeWebsite", "GenerateContent"]

EMBEDDED_TASKS = {**ANALYSIS_TASKS, **GENERATION_TASKS}
