"""From a page's bytes to its facts. Plain and bounded work for a thread or a process: tens of milliseconds a page."""

from __future__ import annotations

from jobline_worker.pipelines.content.page import metadata
from jobline_worker.pipelines.content.page.addresses import base_address
from jobline_worker.pipelines.content.page.colors import brand_colors
from jobline_worker.pipelines.content.page.content import main_content
from jobline_worker.pipelines.content.page.document import parse
from jobline_worker.pipelines.content.page.facts import PageFacts
from jobline_worker.pipelines.content.page.language import language
from jobline_worker.pipelines.content.page.naming import site_name
from jobline_worker.pipelines.content.page.structure import read_structure
from jobline_worker.pipelines.content.page.styles import rules_of
from jobline_worker.pipelines.content.page.visibility import Visibility

__all__ = ["extract_facts"]


def extract_facts(body: bytes, content_type: str, url: str) -> PageFacts:
    """The facts of the page that `url` (its final address) answered with. Takes any bytes; raises nothing."""
    root = parse(body, content_type)
    known = metadata.meta(root)
    structured = metadata.structured_data(root)
    open_graph = metadata.open_graph(known)
    rules = rules_of(root)
    structure = read_structure(root, Visibility(rules).hides, base_address(root, url))
    content = main_content(structure.blocks, root, open_graph, structured)
    titles = [each.text for each in content.headings]
    title = metadata.title(root) or open_graph.get("title", "") or "".join(titles[:1])
    return PageFacts(
        url=url,
        title=title,
        description=metadata.described(known),
        language=language(root, known, " ".join(content.paragraphs) or " ".join(titles)),
        site_name=site_name(title, known, structured, url),
        headings=content.headings,
        paragraphs=content.paragraphs,
        sections=content.sections,
        links=structure.links,
        forms=structure.forms,
        colors=brand_colors(root, rules),
        keywords=metadata.keywords(known),
        open_graph=open_graph,
        structured=structured,
    )
