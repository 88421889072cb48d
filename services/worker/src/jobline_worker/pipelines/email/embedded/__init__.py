"""The embedded composer: search terms and e-mails by rule, for running without a language model."""

from jobline_worker.pipelines.email.embedded.composer import ComposeAnswer, ComposeInputs, compose
from jobline_worker.pipelines.email.embedded.terms import search_terms

__all__ = ["ComposeAnswer", "ComposeInputs", "compose", "search_terms"]
