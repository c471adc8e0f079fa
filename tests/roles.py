"""Who gets what at every address: the one table that tests/test_access.py walks.

A status is what a person of that role gets for the method with an empty body, where the object named in the address
exists. 302 for `anonymous` is the way to the sign-in, unless the address is open to all. A method that is not named is
not there: 405 for whoever is signed in, 302 for the others.
"""

from __future__ import annotations

from madsafe_web.admin import site
from tests import roles_api

ROLES = ("anonymous", "annotator", "reviewer", "lead", "admin")
Statuses = dict[str, int]
API = "api:"  # how the names of the API's addresses begin: who is not known gets 401 there, with whatever method


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
OPEN_POST = {**dict.fromkeys(("GET", "PUT", "PATCH", "DELETE"), everybody(405)), "POST": everybody(302)}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
HTMX_POST = "POST htmx"  # where a fragment is answered instead of the way to a page


def admin_tables() -> dict[str, dict[str, Statuses]]:
    """The list of each table of Django's admin, and the page of one of its rows: of trainings for leads too."""
    found = {}
    for model in site._registry:
        readers = ("lead", "admin") if model._meta.label == "pipeline.TrainingRun" else ("admin",)
        for part in ("changelist", "change"):
            found[f"admin:{model._meta.app_label}_{model._meta.model_name}_{part}"] = {"GET": only(200, *readers)}
    return found


ADDRESSES: dict[str, dict[str, Statuses]] = {
    "overview": {"GET": READ},
    "healthz": {"GET": everybody(200), **dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), everybody(405))},
    # who is signed in already goes on to the overview; a POST gives the form again, with its errors
    "accounts:login": {
        "GET": by_role(200, 302, 302, 302, 302),
        "POST": by_role(200, 302, 302, 302, 302),
        **dict.fromkeys(("PUT", "PATCH", "DELETE"), by_role(405, 302, 302, 302, 302)),
    },
    "accounts:logout": {"POST": signed_in(302)},
    "accounts:password": {"GET": READ, "POST": READ},  # the form again, with its errors
    "accounts:keys": {"GET": READ, "POST": signed_in(302)},  # nothing named: the defaults are kept
    "accounts:profile": {"GET": READ, "POST": signed_in(422)},  # the form names no theme
    "accounts:signout-everywhere": {"POST": signed_in(302)},
    "accounts:tokens": {"GET": READ, "POST": signed_in(422)},  # the form names no right
    # that of the annotator: for the others but admins there is no such token
    "accounts:token-revoke": {"POST": by_role(302, 302, 404, 404, 302)},
    "accounts:users": {"GET": only(200, "admin"), "POST": only(422, "admin")},  # the form names nobody
    "accounts:user": {"GET": only(200, "admin")},
    # to the page of the person, with a message
    **{f"accounts:user-{verb}": {"POST": only(302, "admin")} for verb in ("role", "disable", "enable", "signout")},
    "accounts:user-password": {"POST": only(200, "admin")},  # the page itself, which shows the password once
    "admin:index": {"GET": only(200, "lead", "admin")},
    **admin_tables(),
    "set-theme": OPEN_POST,
    "set-language": OPEN_POST,
    "audit:list": {"GET": only(200, "admin")},
    "audit:verify": {"POST": only(302, "admin")},
    # to the list, with a message: the form names no format
    "audit:export": {"POST": only(302, "admin")},
    "llm:endpoints": {"GET": only(200, "admin")},
    # the form names no backend
    "llm:endpoint-new": {"GET": only(200, "admin"), "POST": only(422, "admin")},
    "llm:endpoint": {"GET": only(200, "admin"), "POST": only(422, "admin")},
    # the page says that nobody answers there
    "llm:endpoint-try": {"POST": only(200, "admin")},
    "templates:list": {"GET": READ},
    "templates:template": {"GET": READ},
    "templates:version": {"GET": READ},
    # no two versions are named
    "templates:diff": {"GET": signed_in(404)},
    # the form has no text
    "templates:edit": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    # to the template: the form names no version
    "templates:use": {"POST": only(302, "lead")},
    # the form names no stage
    "dry:new": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    "dry:detail": {"GET": only(200, "lead")},
    # the run has ended: poll no more
    "dry:progress": {"GET": only(286, "lead")},
    "runs:list": {"GET": READ},
    # to the list, with a message: the form names no stage
    "runs:start": {"POST": only(302, "lead")},
    "runs:detail": {"GET": READ},
    "runs:notices": {"GET": READ},
    # who may start no runs is told of none
    "runs:bell": {"GET": READ},
    "runs:notices-newest": {"GET": READ},
    # to the list
    # to the list: nothing named means that nothing is sent
    "runs:notices-sent": {"GET": only(200, "lead"), "POST": only(302, "lead")},
    "runs:notices-seen": {"POST": signed_in(302)},
    # the run has ended: poll no more
    "runs:progress": {"GET": signed_in(286)},
    # to the run, with a message: it has ended
    "runs:pause": {"POST": only(302, "lead")},
    "runs:resume": {"POST": only(302, "lead")},
    "runs:cancel": {"POST": only(302, "lead")},
    # to the run, with a message: none of its rows failed
    "runs:retry": {"POST": only(302, "lead")},
    "runs:reread": {"POST": only(302, "lead")},
    "runs:refused": {"GET": READ},
    "runs:refusals": {"GET": READ},
    "runs:failed": {"GET": READ},
    # to the new run
    "runs:clone": {"POST": only(302, "lead")},
    # to the run: no limit named is no budget
    "runs:edit": {"GET": only(200, "lead"), "POST": only(302, "lead")},
    "annotation:corpora": {"GET": READ},
    # no file is chosen
    "annotation:upload": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    "annotation:upload-begin": {"POST": only(422, "lead")},
    "annotation:upload-piece": {"POST": only(422, "lead")},
    "annotation:upload-preview": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    "annotation:corpus": {"GET": READ},
    # an empty licence, not for export
    "annotation:corpus-use": {"POST": only(302, "lead")},
    # the form has no file
    "annotation:corpus-corrected": {"POST": only(422, "lead")},
    # the form does not name it
    "annotation:corpus-withdraw": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    "annotation:corpus-rejects": {"POST": only(200, "lead")},
    "annotation:prompts": {"GET": READ},
    "annotation:prompt": {"GET": READ},
    "annotation:prompts-facet": {"GET": READ},
    "annotation:prompts-page": {"POST": READ},
    "annotation:prompts-file": {"POST": only(200, "lead")},
    "annotation:distributions": {"GET": READ},
    "annotation:taxonomy": {"GET": READ},
    # the form has no rows
    "annotation:taxonomy-edit": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    # the form has no file
    "annotation:taxonomy-import": {"POST": only(422, "lead")},
    "annotation:taxonomy-export": {"GET": READ},
    # the address names no versions
    "annotation:taxonomy-diff": {"GET": signed_in(404)},
    "annotation:guideline": {"GET": READ},
    # an empty text, as there was
    "annotation:guideline-edit": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    "annotation:merge": {"GET": READ},
    "annotation:label": {"GET": READ},
    "annotation:label-members": {"GET": READ},
    "annotation:label-rest": {"GET": READ},
    "annotation:label-counts": {"GET": READ},
    "annotation:label-presence": {"POST": READ},
    # the form names no label
    **{
        f"annotation:label-{verb}": {"POST": only(422, "annotator", "lead")}
        for verb in ("assign", "theme", "split", "refuse", "flag", "comment", "discuss")
    },
    # with a message: there is nothing to take back
    "annotation:label-undo": {"POST": only(302, "annotator", "lead"), HTMX_POST: only(200, "annotator", "lead")},
    "annotation:label-redo": {"POST": only(302, "annotator", "lead"), HTMX_POST: only(200, "annotator", "lead")},
    "annotation:label-history": {"GET": READ},
    # the form names no step
    "annotation:label-history-turn": {"POST": only(404, "annotator", "lead")},
    # to the list, with a message: no period is named
    "annotation:label-history-revert": {"POST": only(302, "lead")},
    "annotation:label-rules": {"GET": READ},
    # the form names no rule
    "annotation:label-rule-withdraw": {"POST": only(404, "annotator", "lead")},
    # to the list, with a message: the rules say nothing
    "annotation:label-rules-apply": {"POST": only(302, "annotator", "lead")},
    "annotation:label-agreement": {"GET": only(200, "lead")},
    # the form names no number of prompts
    "annotation:label-policy": {"POST": only(422, "lead")},
    # the form names no map
    "annotation:label-agreement-file": {"POST": only(404, "lead")},
    "annotation:map-publish": {"GET": only(200, "lead"), "POST": only(404, "lead")},
    "annotation:maps": {"GET": READ},
    "annotation:label-import": {"POST": only(422, "lead")},  # no file is sent
    "annotation:map": {"GET": READ},
    "annotation:map-changes": {"GET": READ},
    # to the map, with a message: it is published
    "annotation:map-runs": {"POST": only(302, "lead")},
    "annotation:map-file": {"POST": only(200, "lead")},
    "annotation:merge-finish": {"POST": only(404, "lead")},
    "annotation:review": {"GET": READ},
    "annotation:review-take": {"POST": only(302, "reviewer")},
    "annotation:review-answer": {"POST": only(422, "reviewer")},
    "annotation:review-skip": {"POST": only(422, "reviewer")},
    "annotation:review-undo": {"POST": only(302, "reviewer")},
    "pipeline:sets": {"GET": READ},
    "pipeline:set": {"GET": READ},
    "pipeline:set-file": {"POST": only(200, "lead")},
    "pipeline:trainings": {"GET": READ},
    "pipeline:training-launch": {"GET": only(200, "lead"), "POST": only(422, "lead")},
    "pipeline:training": {"GET": READ},
    "pipeline:training-progress": {"GET": signed_in(286)},
    "pipeline:training-stop": {"POST": only(302, "lead")},
    "evaluation:results": {"GET": READ},
    "evaluation:results-csv": {"POST": READ},
    **roles_api.ADDRESSES,
}


def statuses(name: str, method: str, htmx: bool = False) -> Statuses:
    """Role → status at this address. Raises KeyError for an address that the table does not have."""
    unnamed = {**NO, "anonymous": 401} if name.startswith(API) else NO
    plain = ADDRESSES[name].get(method, unnamed)
    return ADDRESSES[name].get(HTMX_POST, plain) if htmx and method == "POST" else plain
