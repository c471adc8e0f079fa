"""The pages of endpoints: the list, the form that takes a key and never gives it, and the try."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from madsafe_web.core.llm import trying
from madsafe_web.core.llm.endpoints import endpoint_get, spec
from madsafe_web.core.models import AuditEvent, Endpoint
from tests.factories import Person, make_endpoint

pytestmark = pytest.mark.django_db
KEY = "test-key-with-an-end-0042"
FORM = {
    "name": "judge",
    "backend": "openai_compatible",
    "base_url": "https://llm.example.org/v1",
    "model": "m",
    "concurrency": "8",
    "options": '{"tries": 2}',
    "key_env": "",
    "key": KEY,
}


def made(admin: Person, **values: str) -> Endpoint:
    response = admin.post(reverse("llm:endpoint-new"), {**FORM, **values})
    assert response.status_code == 302
    return Endpoint.objects.get(name=values.get("name", "judge"))


def changed(admin: Person, row: Endpoint, **values: str) -> Any:
    return admin.post(reverse("llm:endpoint", args=[row.pk]), {**FORM, "key": "", **values})


def test_an_admin_makes_an_endpoint_with_a_key(admin: Person) -> None:
    row = made(admin)
    assert (spec(row).api_key, row.options, row.concurrency) == (KEY, {"tries": 2}, 8)


def test_no_page_shows_the_key_again_only_its_end(admin: Person) -> None:
    row = made(admin)
    for address in (reverse("llm:endpoints"), reverse("llm:endpoint", args=[row.pk])):
        page = admin.get(address).content.decode()
        assert KEY not in page and row.secret not in page and "…0042" in page


def test_a_form_with_an_error_does_not_give_the_key_back(admin: Person) -> None:
    response = admin.post(reverse("llm:endpoint-new"), {**FORM, "concurrency": "0"})
    assert response.status_code == 422
    assert KEY not in response.content.decode()


def test_saving_without_a_key_keeps_the_stored_one(admin: Person) -> None:
    row = made(admin)
    assert changed(admin, row, model="n").status_code == 302
    row.refresh_from_db()
    assert (row.model, spec(row).api_key) == ("n", KEY)


def test_the_stored_key_can_be_removed(admin: Person) -> None:
    row = made(admin)
    assert changed(admin, row, remove_key="on").status_code == 302
    row.refresh_from_db()
    assert row.secret == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"base_url": "http://10.0.0.1/v1"}, "MADSAFE_LLM_ALLOWED_HOSTS"),
        ({"base_url": "https://other.example.org/v1"}, "entered for another server"),
        ({"options": "[]"}, "JSON object"),
        ({"options": "{"}, "valid JSON"),
        ({"options": '{"nosuch": 1}'}, "There is no option &#x27;nosuch&#x27;"),
        ({"key": "two words"}, "without spaces"),
        ({"key_env": "MADSAFE_SECRET_KEY"}, "own variables"),
    ],
)
def test_the_form_says_at_the_field_what_is_wrong(values: dict[str, str], words: str, admin: Person) -> None:
    response = changed(admin, made(admin), **values)
    assert response.status_code == 422
    assert words in response.content.decode()


def test_two_endpoints_of_one_name_are_refused(admin: Person) -> None:
    made(admin)
    assert admin.post(reverse("llm:endpoint-new"), FORM).status_code == 422


def test_the_offline_rules_are_listed_and_cannot_be_changed(admin: Person) -> None:
    rules = endpoint_get("rules")
    assert "rules" in admin.get(reverse("llm:endpoints")).content.decode()
    assert admin.get(reverse("llm:endpoint", args=[rules.pk])).status_code == 404


def test_a_missing_encryption_key_is_said_at_the_key(admin: Person, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    response = admin.post(reverse("llm:endpoint-new"), FORM)
    assert response.status_code == 422 and "make setup" in response.content.decode()
    assert not Endpoint.objects.exists()


def test_the_list_is_paged_and_costs_the_same_for_many(admin: Person) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert admin.get(reverse("llm:endpoints")).status_code == 200
        return len(found)

    make_endpoint("first")
    few = queries()
    for number in range(60):
        make_endpoint(f"served-{number}")
    assert queries() == few
    assert 'rel="next"' in admin.get(reverse("llm:endpoints")).content.decode()


# --- trying ---


class Server(BaseHTTPRequestHandler):
    """Says what the test wants: a reply, or a refusal that repeats the header it was sent."""

    status, seconds = 200, 0.0

    def do_POST(self) -> None:
        threading.Event().wait(self.seconds)
        key = self.headers.get("Authorization", "")
        body = f'{{"choices": [{{"message": {{"content": "ready {key}"}}}}], "error": {{"message": "bad {key}"}}}}'
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def tried(admin: Person, row: Endpoint) -> str:
    response = admin.post(reverse("llm:endpoint-try", args=[row.pk]))
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_try_shows_what_came_back_without_the_key(admin: Person, served: str) -> None:
    page = tried(admin, made(admin, base_url=served))
    assert "ready Bearer ***" in page and KEY not in page
    assert AuditEvent.objects.get(verb="endpoint.try").facts == {"fine": True}


def test_a_try_with_a_refused_key_says_so_without_the_key(
    admin: Person, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "status", 401)
    page = tried(admin, made(admin, base_url=served))
    assert "correct the key of this endpoint" in page and "Bearer ***" in page and KEY not in page


def test_a_try_where_nobody_answers_says_where(admin: Person) -> None:
    assert "cannot be reached" in tried(admin, make_endpoint())


def test_a_try_ends_in_time(admin: Person, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "seconds", 1.0)
    monkeypatch.setattr(trying, "LIMIT_S", 0.1)
    assert "No answer within" in tried(admin, make_endpoint(base_url=served))


def test_a_try_of_an_address_that_is_no_longer_allowed_asks_nobody(
    admin: Person, served: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LLM_ALLOWED_HOSTS = []
    page = tried(admin, make_endpoint(base_url=served))
    assert "is not a public address" in page


def test_a_model_in_process_is_not_loaded_by_the_page(admin: Person) -> None:
    row = make_endpoint(backend="transformers", base_url="")
    assert "loaded by the worker" in tried(admin, row)
