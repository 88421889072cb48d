"""Writing one post about a topic: outline, draft and polish, for a language model and for the embedded writer alike.

`brief` gathers what is known, `prompts` asks, `answers` says which answers are usable, `seo_score` and `completeness`
measure by stated rules, `result` lays it all out. What is measured or linked is never the model's to say.
"""
