"""The OpenAPI description and its page."""

from __future__ import annotations

import io
import json

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from madsafe_web.core.access import RIGHTS
from madsafe_web.core.api.reference import groups
from madsafe_web.core.api.schema import description
from tests.api.calls import Program, problem
from tests.factories import Person


def operations() -> list[tuple[str, str, dict[str, object]]]:
    return [(path, verb, one) for path, verbs in description()["paths"].items() for verb, one in verbs.items()]


def test_the_description_is_valid_and_raises_no_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=io.StringIO())


def test_both_forms_say_the_same(lead_api: Program) -> None:
    as_json = json.loads(lead_api.get(reverse("api:schema")).content)
    as_yaml = yaml.safe_load(lead_api.get(reverse("api:schema-yaml")).content)
    assert as_json == as_yaml
    assert set(as_json["components"]["securitySchemes"]) == {"token", "cookieAuth"}


def test_the_refusal_of_the_yaml_form_is_json(db: None) -> None:
    problem(Client().get(reverse("api:schema-yaml")), 401)


def test_every_operation_names_its_right_and_its_refusals() -> None:
    for path, verb, one in operations():
        responses = one["responses"]
        assert one["x-right"] in RIGHTS
        assert isinstance(responses, dict)
        assert {"400", "401", "403", "406", "500", "503"} <= set(responses), (path, verb)
        assert verb == "get" or {"409", "413", "415", "422"} <= set(responses), (path, verb)
        assert "{" not in path or "404" in responses, path


def test_every_operation_says_in_a_sentence_what_it_does() -> None:
    for path, verb, one in operations():
        assert str(one["summary"])[0].isupper() and str(one["description"]).rstrip().endswith("."), (path, verb)


def test_no_two_operations_have_one_name() -> None:
    names = [str(one["operationId"]) for _, _, one in operations()]
    assert len(names) == len(set(names))


def test_the_page_shows_every_operation(annotator: Person) -> None:
    page = annotator.get(reverse("api:docs")).content.decode()
    for _, _, one in operations():
        assert f'id="{one["operationId"]}"' in page


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_marks_the_reference_as_english(annotator: Person, language: str) -> None:
    page = annotator.get(reverse("api:docs"), headers={"accept-language": language}).content.decode()
    assert f'<html lang="{language}"' in page
    assert '<span class="what" lang="en">List the runs</span>' in page


def test_the_page_is_made_without_a_query_of_its_own(annotator: Person, django_assert_max_num_queries: object) -> None:
    annotator.get(reverse("api:docs"))
    with django_assert_max_num_queries(6):  # type: ignore[operator]  # of the frame: session, person, steps
        annotator.get(reverse("api:docs"))


def test_an_example_can_be_copied() -> None:
    found = {one.id: one for group in groups() for one in group.operations}
    assert "-F file=@file" in found["corpora_import"].curl
    assert '--json \'{"stage": "label"}\'' in found["runs_create"].curl
    assert found["runs_list"].curl.endswith('/api/v1/runs/"')
