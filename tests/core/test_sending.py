"""Notices by e-mail and webhook: signed, sent once, tried again, and only where they may go."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.utils import timezone

from madsafe_web.core import crypto
from madsafe_web.core.llm.services import secrets_rotate
from madsafe_web.core.models import AuditEvent, RunNotice, User
from madsafe_web.core.runs import sending, tasks
from madsafe_web.core.runs.notices import notice_add
from madsafe_web.core.runs.sending import MOST_TRIES, notices_send
from tests.factories import Person, make_run

pytestmark = pytest.mark.django_db
SECRET = "a secret of at least sixteen"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it was sent and answers with `status`."""

    status = 204
    got: list[tuple[dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.got.append((dict(self.headers), body))
        self.send_response(Receiver.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[str]:
    """The address of a server that takes webhooks."""
    Receiver.status, Receiver.got = 204, []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def told(person: Person, **values: Any) -> RunNotice:
    """A run of that person that is done, with these ways of sending set."""
    User.objects.filter(pk=person.user.pk).update(**values)
    notice_add(make_run("label", actor=person.user), "done")
    return RunNotice.objects.get()


def hooked(person: Person, url: str) -> RunNotice:
    return told(person, hook_url=url, hook_secret=crypto.encrypt(SECRET))


def make_due() -> None:
    RunNotice.objects.exclude(hook_due=None).update(hook_due=timezone.now() - timedelta(seconds=1))


def test_a_webhook_gets_the_facts_signed_with_the_secret(lead: Person, receiver: str) -> None:
    notice = hooked(lead, receiver)
    assert notices_send() == 1
    ((headers, body),) = Receiver.got
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-MadSafe-Signature"] == f"sha256={expected}"
    sent = json.loads(body)
    assert (sent["id"], sent["run"], sent["stage"], sent["state"]) == (notice.pk, notice.run_id, "label", "done")


def test_what_arrived_is_not_sent_again(lead: Person, receiver: str) -> None:
    hooked(lead, receiver)
    assert [notices_send() for _ in range(2)] == [1, 0]
    assert len(Receiver.got) == 1


def test_what_did_not_arrive_is_tried_again_later(lead: Person, receiver: str) -> None:
    hooked(lead, receiver)
    Receiver.status = 500
    assert [notices_send() for _ in range(2)] == [0, 0]
    assert len(Receiver.got) == 1
    Receiver.status = 200
    make_due()
    assert notices_send() == 1


def test_after_the_last_try_it_is_given_up(lead: Person, receiver: str) -> None:
    hooked(lead, receiver)
    Receiver.status = 500
    for _ in range(MOST_TRIES + 2):
        make_due()
        notices_send()
    assert len(Receiver.got) == MOST_TRIES
    assert RunNotice.objects.get().hook_due is None


def test_an_address_that_is_not_opened_is_never_asked(lead: Person, receiver: str, settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = []
    hooked(lead, receiver)
    assert notices_send() == 0
    assert Receiver.got == []


def test_a_redirect_is_not_followed(lead: Person, receiver: str) -> None:
    hooked(lead, receiver)
    Receiver.status = 307
    assert notices_send() == 0
    assert len(Receiver.got) == 1


def test_an_e_mail_says_what_the_run_came_to_and_where_it_is(lead: Person, mailoutbox: list[Any]) -> None:
    notice = told(lead, notify_mail=True, email="lead@example.org")
    assert notices_send() == 1
    (mail,) = mailoutbox
    assert mail.to == ["lead@example.org"]
    assert "is done" in mail.subject and f"/runs/{notice.run_id}/" in mail.body


def test_an_e_mail_tells_no_words_of_a_server(lead: Person, mailoutbox: list[Any]) -> None:
    User.objects.filter(pk=lead.user.pk).update(notify_mail=True, email="lead@example.org")
    notice_add(make_run("label", "failed", actor=lead.user, error="The server said: the text of a prompt."), "failed")
    assert notices_send() == 1
    assert "is failed" in mailoutbox[0].body and "text of a prompt" not in mailoutbox[0].body


def test_without_an_address_nothing_is_due(lead: Person, mailoutbox: list[Any]) -> None:
    told(lead, notify_mail=True)
    assert notices_send() == 0 and mailoutbox == []


def test_a_notice_that_breaks_the_sending_keeps_no_other_back(lead: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.filter(pk=lead.user.pk).update(notify_mail=True, email="lead@example.org")
    for state in ("failed", "done"):
        notice_add(make_run("label", state, actor=lead.user), state)
    sent: list[str] = []

    def breaking(notice: RunNotice) -> None:
        if notice.state == "failed":
            raise ValueError("no such header")
        sent.append(notice.state)

    monkeypatch.setattr(sending, "mail", breaking)
    assert notices_send() == 1 and sent == ["done"]
    assert RunNotice.objects.get(state="failed").mail_due is not None  # tried again


def test_an_error_of_any_kind_does_not_end_a_thread_of_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ValueError("of no kind that was foreseen")

    tasks.round_of("notices", broken)
    assert "could not do its round" in caplog.text


def test_the_sweep_sends_no_notice_itself(lead: Person, mailoutbox: list[Any]) -> None:
    told(lead, notify_mail=True, email="lead@example.org")
    tasks.sweep()
    assert mailoutbox == []


# --- setting it ---


def form(person: Person, **values: str) -> Any:
    return person.post("/runs/notices/sent/", {"url": "http://127.0.0.1:9/hook", "secret": SECRET, **values})


def test_a_webhook_is_set_with_its_secret_encrypted_and_never_shown(lead: Person) -> None:
    assert form(lead).status_code == 302
    user = User.objects.get(pk=lead.user.pk)
    assert user.hook_url == "http://127.0.0.1:9/hook" and crypto.decrypt(user.hook_secret) == SECRET
    assert SECRET not in lead.get("/runs/notices/sent/").content.decode()
    assert SECRET not in str(AuditEvent.objects.get(verb="user.notify").facts)


def test_the_secret_stays_while_the_server_does(lead: Person) -> None:
    form(lead)
    assert form(lead, url="http://127.0.0.1:9/other", secret="").status_code == 302
    assert form(lead, url="http://127.0.0.1:10/other", secret="").status_code == 422


def test_a_webhook_with_a_query_is_refused_in_words_about_its_address(lead: Person) -> None:
    answer = form(lead, url="http://127.0.0.1:9/hook?token=1")
    assert answer.status_code == 422 and "without ? or # behind it" in answer.content.decode()


def test_a_webhook_needs_a_secret(lead: Person) -> None:
    answer = form(lead, secret="")
    assert answer.status_code == 422 and "needs a secret to sign with" in answer.content.decode()


def test_a_webhook_at_an_address_that_is_not_opened_is_refused(lead: Person, settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = []
    assert form(lead).status_code == 422
    assert User.objects.get(pk=lead.user.pk).hook_url == ""


def test_taking_the_webhook_away_forgets_its_secret(lead: Person) -> None:
    form(lead)
    form(lead, url="", secret="")
    user = User.objects.get(pk=lead.user.pk)
    assert (user.hook_url, user.hook_secret) == ("", "")


def test_a_webhook_that_may_not_be_asked_any_more_can_be_changed_and_taken_away(lead: Person, settings: Any) -> None:
    form(lead)
    settings.LLM_ALLOWED_HOSTS = ["127.0.0.1:10"]
    assert form(lead, url="http://127.0.0.1:10/hook", secret="").status_code == 422  # the secret was for another server
    assert form(lead, url="http://127.0.0.1:10/hook").status_code == 302
    settings.LLM_ALLOWED_HOSTS = []
    assert form(lead, url="", secret="").status_code == 302
    assert User.objects.get(pk=lead.user.pk).hook_url == ""


def test_without_a_mail_server_no_e_mail_is_offered(lead: Person, settings: Any) -> None:
    assert 'name="mail"' not in lead.get("/runs/notices/sent/").content.decode()
    settings.EMAIL_HOST = "mail.example.org"
    assert 'name="mail"' in lead.get("/runs/notices/sent/").content.decode()


def test_the_secret_is_rotated_with_the_keys(lead: Person) -> None:
    form(lead)
    before = User.objects.get(pk=lead.user.pk).hook_secret
    assert secrets_rotate(user=None) == 1
    after = User.objects.get(pk=lead.user.pk).hook_secret
    assert after != before and crypto.decrypt(after) == SECRET
