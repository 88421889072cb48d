"""Ten pages of invented businesses, as their sites would deliver them, for tests of what reads websites.

    async with serve(page_by_path) as server:
        url = f"{server.url}/clinic"

The files are raw bytes on purpose: the law firm's are windows-1252, and only its own meta tag says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.provider_servers import Reply, Request, status

__all__ = ["SAVED_PAGES", "SavedPage", "page_by_path"]

_FOLDER = Path(__file__).with_name("pages")


@dataclass(frozen=True)
class SavedPage:
    """A page, the address that it was published at, and the content type that its server sends."""

    name: str
    url: str
    content_type: str = "text/html; charset=utf-8"

    @property
    def body(self) -> bytes:
        return (_FOLDER / f"{self.name}.html").read_bytes()


#: By kind of website, which is also the path below which `page_by_path` serves it.
SAVED_PAGES = {
    page.name: page
    for page in (
        SavedPage("shop", "https://www.larkmoor-yarn.example/"),
        SavedPage("clinic", "https://pellbrook-clinic.example/"),
        SavedPage("saas", "https://rosterwren.example/"),
        SavedPage("law_firm", "https://www.roettgering-suhl.example/index.html", "text/html"),
        SavedPage("blog", "https://slow-allotment.example/2025/08/why-tomatoes-split/"),
        SavedPage("restaurant", "https://saltmarsh-table.example/"),
        SavedPage("nonprofit", "https://ennelwater.example/"),
        SavedPage("portfolio", "https://santhoven.example/"),
        SavedPage("documentation", "https://docs.tidegate.example/quickstart.html"),
        SavedPage("job_board", "https://harbourhands.example/"),
    )
}


def page_by_path(request: Request) -> Reply:
    """Handler of `provider_servers.serve`: `/shop` is the shop's page; every other path is not found."""
    page = SAVED_PAGES.get(request.path.strip("/"))
    if page is None:
        return status(404, "Not found")
    return Reply(body=page.body, headers={"content-type": page.content_type})
