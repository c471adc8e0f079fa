"""The API's part of tests/roles.py. Who is not known gets 401 there instead of the way to the sign-in."""

from __future__ import annotations

Statuses = dict[str, int]
SIGNED_IN = ("annotator", "reviewer", "lead", "admin")


def known(status: int) -> Statuses:
    return {"anonymous": 401, **dict.fromkeys(SIGNED_IN, status)}


def only(status: int, *roles: str) -> Statuses:
    return {"anonymous": 401, **{role: status if role in roles else 403 for role in SIGNED_IN}}


READ = known(200)
ADMINS = only(200, "admin")

# A page, not JSON: who is not known goes to the sign-in, and all but GET is not there.
PAGE = {"anonymous": 302, **dict.fromkeys(SIGNED_IN, 200)}
NO_PAGE = {"anonymous": 302, **dict.fromkeys(SIGNED_IN, 405)}

ADDRESSES: dict[str, dict[str, Statuses]] = {
    "api:docs": {"GET": PAGE, **dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), NO_PAGE)},
    "api:schema": {"GET": READ},
    "api:schema-yaml": {"GET": READ},
    "api:me": {"GET": READ},
    "api:tokens": {"GET": READ},
    # the token is an annotator's
    "api:token-revoke": {"POST": {**known(404), "annotator": 200}},
    "api:endpoints": {"GET": ADMINS, "POST": only(400, "admin")},
    # nothing is named, so nothing is changed
    "api:endpoint": {"GET": ADMINS, "PATCH": ADMINS},
    "api:users": {"GET": ADMINS, "POST": only(400, "admin")},
    "api:user": {"GET": ADMINS},
    "api:user-role": {"POST": only(400, "admin")},
    **{f"api:user-{verb}": {"POST": ADMINS} for verb in ("disable", "enable", "password", "sign-out")},
    "api:audit": {"GET": ADMINS},
    "api:stages": {"GET": READ},
    "api:runs": {"GET": READ, "POST": only(400, "lead")},
    "api:run": {"GET": READ},
    # the run has ended
    **{f"api:run-{verb}": {"POST": only(409, "lead")} for verb in ("start", "pause", "resume", "cancel")},
    # none of its rows failed
    "api:run-retry": {"POST": only(409, "lead")},
    "api:run-reread": {"POST": only(409, "lead")},
    "api:run-budget": {"PUT": only(200, "lead")},
    "api:run-clone": {"POST": only(201, "lead")},
    "api:notices": {"GET": READ},
    "api:notices-seen": {"POST": READ},
    "api:run-failed": {"GET": READ},
    "api:categories": {"GET": READ},
    # the body names no category
    "api:taxonomies": {"GET": READ, "POST": only(400, "lead")},
    # the body names no stage, no file, no label, no seat
    "api:corpora": {"GET": READ, "POST": only(400, "lead")},
    "api:corpus": {"GET": READ},
    "api:corpus-rejected": {"GET": READ},
    # the body does not name it
    "api:corpus-withdraw": {"GET": only(200, "lead"), "POST": only(400, "lead")},
    "api:prompts": {"GET": READ},
    "api:prompt": {"GET": READ},
    "api:labels": {"GET": READ},
    "api:label": {"GET": READ},
    "api:label-assign": {"POST": only(400, "annotator", "lead")},
    # there is nothing to take back
    "api:label-undo": {"POST": only(200, "annotator", "lead")},
    "api:label-redo": {"POST": only(200, "annotator", "lead")},
    # the body names no label
    **{
        f"api:label-{verb}": {"POST": only(400, "annotator", "lead")} for verb in ("theme", "flag", "refuse", "comment")
    },
    "api:label-conflicts": {"GET": READ},
    "api:label-history": {"GET": READ},
    # its map is published
    **{f"api:label-history-{verb}": {"POST": only(409, "annotator", "lead")} for verb in ("undo", "redo")},
    # nobody and no time is named
    "api:label-history-revert": {"GET": only(400, "lead"), "POST": only(400, "lead")},
    # no file is sent
    "api:label-import": {"POST": only(400, "lead")},
    "api:maps": {"GET": READ},
    "api:map": {"GET": READ},
    "api:map-entries": {"GET": READ},
    "api:map-diff": {"GET": READ},
    "api:map-file": {"GET": only(200, "lead")},
    # the body holds no rows
    "api:map-import": {"POST": only(400, "lead")},
    # it is published already, and no merge waits
    "api:map-publish": {"POST": only(409, "lead")},
    "api:map-finish": {"POST": only(409, "lead")},
    "api:review": {"GET": READ},
    "api:review-take": {"POST": only(200, "reviewer")},
    "api:review-answer": {"POST": only(400, "reviewer")},
    "api:review-skip": {"POST": only(400, "reviewer")},
    "api:review-undo": {"POST": only(200, "reviewer")},
    "api:sets": {"GET": READ},
    "api:set": {"GET": READ},
    "api:set-file": {"GET": only(200, "lead")},
    # the base model is not one to train
    "api:trainings": {"GET": READ, "POST": only(422, "lead")},
    "api:training": {"GET": READ},
    # it has ended
    "api:training-stop": {"POST": only(409, "lead")},
    "api:results": {"GET": READ},
    "api:result": {"GET": READ},
}
