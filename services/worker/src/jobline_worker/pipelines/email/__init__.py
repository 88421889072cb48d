"""The pipeline of the e-mail queue: from a name, an interest and a template to one personalised e-mail.

`GenerateEmail` is the pipeline, `EMBEDDED_TASKS` what the embedded language model answers for it.
"""

from jobline_worker.pipelines.email.embedded_tasks import EMBEDDED_TASKS
from jobline_worker.pipelines.email.pipeline import GenerateEmail

__all__ = ["EMBEDDED_TASKS", "GenerateEmail"]
