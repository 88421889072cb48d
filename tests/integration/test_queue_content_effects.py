"""What analyses leave behind: organizations, calls to action and images; and who may see and use them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from jobline.v1 import content_service_pb2 as pb
from jobline.v1 import work_service_pb2
from support.content_owner import (
    GENERATION,
    QUEUE,
    URL,
    ContentOwner,
    analysed_page,
    analysis,
    analysis_result,
    cta,
    drawn,
    image,
)
from support.generation_jobs import result
from support.queue_calls import new_job, refused
from support.queue_service import QueueServiceUnderTest

OTHER_URL = "https://example.com/other"


def texts(owner: ContentOwner, organization_id: str) -> list[str]:
    return [each.text for each in owner.organization(organization_id).calls_to_action]


# ---- organizations ------------------------------------------------------------------------------------------------------


def test_a_user_has_one_organization_which_every_analysis_brings_up_to_date(owner: ContentOwner):
    first = owner.analysed("Book a demo")["organizationId"]
    assert owner.analysed("Book a demo")["organizationId"] == first
    assert owner.analysed("Call us", url=OTHER_URL)["organizationId"] == first
    (organization,) = owner.organizations()
    assert (organization.id, organization.website_url) == (first, OTHER_URL)
    assert organization.updated_at.ToNanoseconds() > organization.created_at.ToNanoseconds()
    assert texts(owner, first) == ["Call us"]


def test_of_several_organizations_the_one_that_was_updated_last_is_a_users(owner: ContentOwner):
    for days, name in ((3, "old"), (1, "new"), (2, "middle")):
        owner.service.execute(
            """INSERT INTO organizations (owner_user_id, website_url, analysis, updated_at)
               VALUES (%s, %s, '{}', now() - make_interval(days => %s))""",
            owner.user,
            name,
            days,
        )
    new, middle, old = (each.id for each in owner.organizations())
    assert owner.analysed()["organizationId"] == new
    assert [each.id for each in owner.organizations()] == [new, middle, old]


def test_a_session_has_an_organization_for_each_address(visitor: ContentOwner):
    first, other = (visitor.analysed(url=url)["organizationId"] for url in (URL, OTHER_URL))
    assert first != other
    assert visitor.analysed()["organizationId"] == first
    assert {each.id for each in visitor.organizations()} == {first, other}
    owners = "SELECT owner_user_id, session_id FROM organizations WHERE id = %s"
    assert visitor.service.execute(owners, first) == [(None, visitor.session)]


def test_an_organization_is_its_owners_alone(owner: ContentOwner, visitor: ContentOwner):
    theirs = owner.analysed()["organizationId"]
    assert visitor.organizations() == []
    for wrong in (theirs, str(uuid.uuid4()), "acme"):
        with refused("ORGANIZATION_NOT_FOUND"):
            visitor.organization(wrong)


def test_what_the_first_step_found_stays_when_a_later_one_fails(owner: ContentOwner):
    _, run = owner.begin()
    owner.operator.report(run, analyze_website=analysed_page("Book a demo"))
    owner.operator.fail(run, "PROVIDER_ERROR")
    (organization,) = owner.organizations()
    assert texts(owner, organization.id) == ["Book a demo"]


def test_an_analysis_without_a_stored_step_has_its_organization_all_the_same(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.operator.complete(run, analysis_result("Book a demo"))
    (organization,) = owner.organizations()
    assert owner.result(job_id)["organizationId"] == organization.id
    assert texts(owner, organization.id) == ["Book a demo"]


def test_a_deleted_user_takes_everything_along(owner: ContentOwner):
    result = owner.analysed("Book a demo")
    owner.service.execute("DELETE FROM users WHERE id = %s", owner.user)
    left = """SELECT (SELECT count(*) FROM organizations WHERE id = %s),
                     (SELECT count(*) FROM cta_analysis WHERE organization_id = %s)"""
    assert owner.service.execute(left, result["organizationId"], result["organizationId"]) == [(0, 0)]


# ---- calls to action ----------------------------------------------------------------------------------------------------


def test_a_second_analysis_makes_no_duplicates_and_keeps_the_ids(owner: ContentOwner):
    before = owner.analysed("Book a demo", "Call us")
    after = owner.analysed("Call us", "Book a demo", "Sign up")
    ids = {each["text"]: each["id"] for each in after["ctas"]}
    assert {each["text"]: each["id"] for each in before["ctas"]}.items() < ids.items()
    assert (after["ctaCount"], after["hasSufficientCTAs"]) == (3, True)
    rows = "SELECT cta_text, cta_type, href, placement, conversion_potential, data_source FROM cta_analysis"
    found = owner.service.execute(f"{rows} WHERE organization_id = %s ORDER BY 1", after["organizationId"])
    assert [row[0] for row in found] == ["Book a demo", "Call us", "Sign up"]
    assert found[0][1:] == ("demo_link", f"{URL}demo", "hero", 90, "scraped")


def test_what_a_page_has_no_more_is_forgotten_and_twins_are_one(owner: ContentOwner):
    owner.analysed("Book a demo", "Call us")
    _, run = owner.begin()
    twins = [cta("Call us", conversion_potential=80), cta("Call us", type="button"), cta("Call us", placement="footer")]
    owner.operator.report(run, analyze_website=analysed_page(ctas=twins))
    (organization,) = owner.organizations()
    found = owner.organization(organization.id).calls_to_action
    assert [(each.text, each.placement, each.type) for each in found] == [
        ("Call us", "footer", "demo_link"),
        ("Call us", "hero", "demo_link"),
    ]


def test_an_address_of_any_length_has_its_calls_to_action(owner: ContentOwner):
    long = f"{URL}{'ä' * (2048 - len(URL))}"
    wide = "ß" * 500
    result = owner.analysed(wide, url=long)
    assert owner.analysed(wide, url=long)["ctas"] == result["ctas"]


# ---- images -------------------------------------------------------------------------------------------------------------


def finish(owner: ContentOwner, *images: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """A job whose images these are, and its result."""
    job_id, run = owner.begin()
    owner.operator.report(run, analyze_website=analysed_page(), generate_images=drawn(*images))
    names = [each and each["name"] for each in images]
    owner.operator.complete(run, analysis_result(images=names))
    return job_id, owner.result(job_id)


def test_images_are_found_by_their_names(owner: ContentOwner, visitor: ContentOwner):
    made = image(content=b"<svg>1</svg>")
    _, result = finish(owner, made, None, image(), image())
    urls = [each["imageUrl"] for each in result["scenarios"]]
    assert urls[:2] == [f"/media/{made['name']}", None]
    assert visitor.medium(made["name"]) == pb.GetMediaResponse(
        content_type="image/svg+xml", content=b"<svg>1</svg>"
    )  # whoever knows the name
    for unknown in ("", "x", "\0", f"{uuid.uuid4().hex}.svg"):
        with refused("MEDIA_NOT_FOUND"):
            visitor.medium(unknown)


def test_an_image_that_was_never_stored_is_not_named(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.operator.complete(run, analysis_result(images=[f"{uuid.uuid4().hex}.svg"] * 4))
    assert {each["imageUrl"] for each in owner.result(job_id)["scenarios"]} == {None}


def test_new_images_of_a_job_replace_the_old_ones_and_go_with_it(owner: ContentOwner):
    old, kept, new = image(), image(), image()
    job_id, run = owner.begin()
    owner.operator.report(run, generate_images=drawn(old, kept))
    owner.operator.report(run, generate_images=drawn(kept, new))
    with refused("MEDIA_NOT_FOUND"):
        owner.medium(old["name"])
    assert owner.medium(kept["name"]).content
    owner.operator.delete(job_id)
    for gone in (kept, new):
        with refused("MEDIA_NOT_FOUND"):
            owner.medium(gone["name"])
    assert owner.service.execute("SELECT 1 FROM jobline.job_organizations WHERE job_id = %s", job_id) == []


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_a_job_that_was_cancelled_in_its_last_step_leaves_no_images(owner: ContentOwner, end: str):
    made = image()
    job_id, run = owner.begin()
    owner.operator.report(run, analyze_website=analysed_page(), generate_images=drawn(made))
    owner.cancel(job_id)
    if end == "complete":
        with refused("CANCELLED"):
            owner.operator.complete(run, analysis_result(images=[made["name"]] * 4))
    else:
        owner.operator.fail(run, "PROVIDER_ERROR")
    assert owner.job(job_id).error_code == "CANCELLED"
    with refused("MEDIA_NOT_FOUND"):
        owner.medium(made["name"])


def test_an_image_of_another_job_is_not_overwritten(owner: ContentOwner):
    mine = image(content=b"<svg>mine</svg>")
    finish(owner, mine, None, None, None)
    job_id, run = owner.begin()
    with refused("STALE_LEASE"):
        owner.operator.report(run, generate_images=drawn(image(mine["name"], b"<svg>theirs</svg>")))
    assert owner.await_job(job_id, "failed").error_code == "INTERNAL"
    assert owner.medium(mine["name"]).content == b"<svg>mine</svg>"


# ---- outputs that are not what they should be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "place"),
    [
        ({"analyze_website": None}, "analyze_website"),
        ({"analyze_website": analysed_page(analysis={"businessType": 1})}, "analyze_website.analysis"),
        ({"analyze_website": analysed_page(analysis=analysis(targetAudience=" "))}, "analysis.targetAudience"),
        ({"analyze_website": analysed_page(analysis=analysis(more="x" * 33_000))}, "analysis"),
        ({"analyze_website": analysed_page(ctas=[cta("x" * 501)])}, "ctas[0].text"),
        ({"analyze_website": analysed_page(ctas=[cta("x", type="bomb")])}, "ctas[0].type"),
        ({"analyze_website": analysed_page(ctas=[cta("x", href=" javascript:alert(1)")])}, "ctas[0].href"),
        ({"analyze_website": analysed_page(ctas=[cta("x", conversion_potential=101)])}, "conversion_potential"),
        ({"analyze_website": analysed_page(*map(str, range(51)))}, "ctas"),
        ({"generate_images": drawn(image("../../etc/passwd"))}, "images[0].name"),
        ({"generate_images": drawn(image(content_type="text/html"))}, "images[0]"),
        ({"generate_images": drawn(image(base64="%"))}, "images[0].base64"),
        ({"generate_images": drawn(image(content=b"x" * 36_865))}, "images[0].base64"),
        ({"generate_images": drawn(*(image() for _ in range(6)))}, "images"),
    ],
)
def test_an_output_of_another_shape_fails_its_run_and_says_where(
    owner: ContentOwner, output: dict[str, Any], place: str
):
    job_id, run = owner.begin()
    with refused("STALE_LEASE"):
        owner.operator.report(run, **output)
    job = owner.await_job(job_id, "failed")
    assert job.error_code == "INTERNAL"
    assert job.error.startswith(f"The output of step '{next(iter(output))}' was refused: ")
    assert place in job.error
    assert owner.organizations() == []


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        analysis_result(more=1),
        analysis_result(success=False),
        analysis_result(ctaCount=1),
        analysis_result(images=[None] * 3),
        analysis_result(images=[None] * 6),
        analysis_result(scrapedAt="yesterday"),
        analysis_result(analysis={}),
        {key: value for key, value in analysis_result().items() if key != "metadata"},
    ],
)
def test_a_result_of_another_shape_fails_its_run(owner: ContentOwner, result: Any):
    job_id, run = owner.begin()
    owner.operator.complete(run, result)
    job = owner.job(job_id)
    assert (owner.status(job_id), job.error_code, job.result_json) == ("failed", "INTERNAL", "")
    assert "result" in job.error
    assert owner.organizations() == []


# ---- organizations of texts ---------------------------------------------------------------------------------------------


def organization_of(owner: ContentOwner, run: work_service_pb2.Assignment) -> pb.GetJobOrganizationResponse:
    request = pb.GetJobOrganizationRequest(job_id=run.job_id, lease_token=run.lease_token)
    return owner.operator.content.GetJobOrganization(request)


def test_a_text_is_written_with_its_organization(owner: ContentOwner):
    organization_id = owner.analysed("Book a demo", "Call us")["organizationId"]
    owner.write(organizationId=organization_id.upper())
    run = owner.claim(GENERATION)
    found = organization_of(owner, run)
    assert (found.organization.id, found.organization.website_url) == (organization_id, URL)
    assert "businessType" in found.organization.analysis_json
    assert [each.text for each in found.calls_to_action] == ["Book a demo", "Call us"]
    owner.operator.fail(run)
    with refused("STALE_LEASE"):
        organization_of(owner, run)


@pytest.mark.parametrize("unknown", ["acme", str(uuid.UUID(int=7)), "x" * 255])
def test_an_organization_need_not_exist(owner: ContentOwner, unknown: str):
    owner.write(organizationId=unknown)
    assert not organization_of(owner, owner.claim(GENERATION)).HasField("organization")


def test_the_organization_of_somebody_else_is_refused_on_every_way_in(
    service: QueueServiceUnderTest, owner: ContentOwner, visitor: ContentOwner
):
    theirs = visitor.analysed()["organizationId"]
    with refused("ORGANIZATION_NOT_FOUND") as seen:
        owner.write(organizationId=theirs)
    assert seen[0].status == "NOT_FOUND"
    options = {"includeVisuals": True, "autoSave": True, "status": "draft"}
    business = {"businessType": "b", "targetAudience": "t"}
    payload = {"topic": {"title": "t"}, "businessInfo": business, "organizationId": theirs, "options": options}
    job = new_job(QUEUE, payload, kind=GENERATION, owner=owner.owner)
    with refused("ORGANIZATION_NOT_FOUND"):
        owner.operator.enqueue(job)
    job.labels["session"] = visitor.session
    with refused("INVALID_FIELD") as seen:
        owner.calls.enqueue(job)
    assert seen[0].fields == ("jobs[0].labels[session]",)
    assert list(owner.page().jobs) == []


def test_who_is_a_user_and_a_session_uses_the_organizations_of_both(
    service: QueueServiceUnderTest, owner: ContentOwner, visitor: ContentOwner
):
    organization_id = visitor.analysed("Call us")["organizationId"]
    caller = ContentOwner(service, user=owner.user, session=visitor.session)
    caller.write(organizationId=organization_id)
    found = organization_of(owner, owner.claim(GENERATION))
    assert found.organization.id == organization_id
    caller.calls.close()


# ---- posts --------------------------------------------------------------------------------------------------------------


def test_the_posts_of_a_user_are_listed_newest_first(owner: ContentOwner, visitor: ContentOwner):
    for title in ("one", "two", "three"):
        owner.write()
        owner.operator.complete(owner.claim(GENERATION), result(title=title))
    list_posts = owner.calls.content.ListPosts
    first = list_posts(pb.ListPostsRequest(page_size=2))
    second = list_posts(pb.ListPostsRequest(page_size=2, page_token=first.next_page_token))
    assert [post.title for page in (first, second) for post in page.posts] == ["three", "two", "one"]
    assert second.next_page_token == ""
    post = second.posts[0]
    assert (post.user_id, post.organization_id, post.status, post.word_count) == (owner.user, "acme", "draft", 7)
    with refused("INVALID_FIELD") as seen:
        visitor.calls.content.ListPosts(pb.ListPostsRequest())
    assert seen[0].fields == ("owner",)
    with refused("INVALID_FIELD") as seen:
        list_posts(pb.ListPostsRequest(page_token=owner.page(page_size=2).next_page_token))
    assert seen[0].fields == ("page_token",)


# ---- the term outlives its hooks ----------------------------------------------------------------------------------------


def test_a_job_that_vanishes_while_it_runs_harms_nobody(owner: ContentOwner):
    job_id, run = owner.begin()
    owner.service.execute("DELETE FROM jobline.jobs WHERE id = %s", job_id)
    owner.operator.report(run, analyze_website=analysed_page("Book a demo"), generate_images=drawn(image()))
    assert owner.organizations() == []
    with refused("STALE_LEASE"):
        owner.operator.complete(run, analysis_result())
    assert owner.analysed()["success"]
