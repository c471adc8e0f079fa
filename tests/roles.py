"""Who gets what at every address: the one table that tests/test_access.py walks.

A status is what a person of that role gets for a GET, or for a POST with an empty body, where the object named in the
address exists. 302 for `anonymous` is the way to the sign-in, unless the address is open to all.
"""

from __future__ import annotations

ROLES = ("anonymous", "annotator", "reviewer", "lead", "admin")
Statuses = dict[str, int]


def by_role(anonymous: int, annotator: int, reviewer: int, lead: int, admin: int) -> Statuses:
    return dict(zip(ROLES, (anonymous, annotator, reviewer, lead, admin), strict=True))


def signed_in(status: int) -> Statuses:
    """The same for all who are signed in; the others are sent to the sign-in."""
    return by_role(302, status, status, status, status)


def everybody(status: int) -> Statuses:
    return by_role(status, status, status, status, status)


def only(status: int, *roles: str) -> Statuses:
    """For these roles; the other signed-in people may not."""
    return {role: status if role in roles else 302 if role == "anonymous" else 403 for role in ROLES}


READ = signed_in(200)
NO = signed_in(405)  # no such method, whoever asks

GET: dict[str, Statuses] = {
    "overview": READ,
    "accounts:login": by_role(200, 302, 302, 302, 302),  # who is signed in already goes on to the overview
    "accounts:logout": NO,
    "set-theme": everybody(405),
    "set-language": everybody(405),
    "runs:list": READ,
    "runs:start": NO,
    "runs:detail": READ,
    "runs:progress": signed_in(286),  # the run has ended: poll no more
    "runs:pause": NO,
    "runs:resume": NO,
    "runs:cancel": NO,
    "annotation:corpora": READ,
    "annotation:corpus": READ,
    "annotation:prompts": READ,
    "annotation:prompt": READ,
    "annotation:distributions": READ,
    "annotation:merge": READ,
    "annotation:label": READ,
    "annotation:label-assign": NO,
    "annotation:label-undo": NO,
    "annotation:label-redo": NO,
    "annotation:map-publish": NO,
    "annotation:merge-finish": NO,
    "annotation:review": READ,
    "annotation:review-answer": NO,
    "annotation:review-skip": NO,
    "annotation:review-undo": NO,
    "pipeline:sets": READ,
    "pipeline:set": READ,
    "pipeline:set-file": only(200, "lead"),
    "pipeline:trainings": READ,
    "pipeline:training-launch": only(200, "lead"),
    "pipeline:training": READ,
    "pipeline:training-progress": signed_in(286),
    "pipeline:training-stop": NO,
    "evaluation:results": READ,
    "evaluation:results-csv": READ,
}
POST: dict[str, Statuses] = {
    "overview": NO,
    "accounts:login": by_role(200, 302, 302, 302, 302),  # the form again, with its errors
    "accounts:logout": signed_in(302),
    "set-theme": everybody(302),
    "set-language": everybody(302),
    "runs:list": NO,
    "runs:start": only(302, "lead"),  # to the list, with a message: the form names no stage
    "runs:detail": NO,
    "runs:progress": NO,
    "runs:pause": only(302, "lead"),  # to the run, with a message: it has ended
    "runs:resume": only(302, "lead"),
    "runs:cancel": only(302, "lead"),
    "annotation:corpora": only(422, "lead"),  # the form names no file
    "annotation:corpus": NO,
    "annotation:prompts": NO,
    "annotation:prompt": NO,
    "annotation:distributions": NO,
    "annotation:merge": NO,
    "annotation:label": NO,
    "annotation:label-assign": only(422, "annotator", "lead"),
    "annotation:label-undo": only(302, "annotator", "lead"),  # with a message: there is nothing to take back
    "annotation:label-redo": only(302, "annotator", "lead"),
    "annotation:map-publish": only(404, "lead"),  # the form names no map
    "annotation:merge-finish": only(404, "lead"),
    "annotation:review": NO,
    "annotation:review-answer": only(422, "reviewer"),
    "annotation:review-skip": only(422, "reviewer"),
    "annotation:review-undo": only(302, "reviewer"),
    "pipeline:sets": NO,
    "pipeline:set": NO,
    "pipeline:set-file": NO,
    "pipeline:trainings": NO,
    "pipeline:training-launch": only(422, "lead"),
    "pipeline:training": NO,
    "pipeline:training-progress": NO,
    "pipeline:training-stop": only(302, "lead"),
    "evaluation:results": NO,
    "evaluation:results-csv": NO,
}
