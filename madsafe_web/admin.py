"""The tables that Django's admin shows, and to whom."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from annotation.models import Corpus, MergeMap
from evaluation.models import EvaluationRun
from madsafe_web.admin_site import House, Table
from madsafe_web.core.access import can
from madsafe_web.core.models import ApiToken, AuditEvent, Endpoint, PromptTemplate, Run, User
from pipeline.models import AlignmentSet, TrainingRun

site = House(name="admin")


class Trainings(Table):
    title = _("Trainings")
    purpose = _("Every training with its base model, its set and its process.")
    rights = ("administer", "train")
    columns = (
        ("run", _("Run")),
        ("run.state", _("State")),
        ("base_model", _("Base model")),
        ("alignment_set", _("Alignment set")),
        ("run.actor_name", _("Started by")),
        ("run.started", _("Started")),
    )
    more = (
        ("run.finished", _("Finished")),
        ("run.error", _("Error")),
        ("launches", _("Launches")),
        ("heartbeat", _("Last heard")),
        ("folder", _("Folder")),
        ("config", _("Configuration")),
        ("base_sha256", _("Hash of the base model")),
        ("tuned_sha256", _("Hash of the tuned model")),
    )
    list_select_related = ("run", "alignment_set")
    page = "pipeline:training"
    page_key = "run_id"

    def launch_url(self, request: HttpRequest) -> str:
        return reverse("pipeline:training-launch") if can(request.user, "train") else ""


class People(Table):
    title = _("People")
    purpose = _("Accounts with role and state. They are changed on the page of people.")
    columns = (
        ("username", _("User name")),
        ("role", _("Role")),
        ("is_active", _("Active")),
        ("last_login", _("Last sign-in")),
        ("date_joined", _("Created")),
    )
    more = (
        ("must_change_password", _("Has a one-time password")),
        ("language", _("Language")),
        ("theme", _("Theme")),
        ("time_zone", _("Time zone")),
    )
    filters = ("role",)
    search_fields = ("username__startswith",)
    page = "accounts:user"


class Tokens(Table):
    title = _("API tokens")
    purpose = _("Whose tokens there are and what they open; the tokens themselves are kept nowhere.")
    columns = (
        ("name", _("Name")),
        ("user", _("Owner")),
        ("created", _("Created")),
        ("last_used", _("Last used")),
        ("expires", _("Expires")),
        ("revoked", _("Revoked")),
    )
    more = (("rights", _("Rights")), ("hint", _("Last characters")))
    list_select_related = ("user",)


class Record(Table):
    title = _("Audit record")
    purpose = _("Who did what, when and from where. Rows are only ever added.")
    columns = (
        ("sequence", _("Number")),
        ("at", _("When")),
        ("actor_name", _("Who")),
        ("verb", _("What")),
        ("subject", _("About")),
    )
    more = (("address", _("Address")), ("facts", _("Facts")), ("previous", _("Hash before")), ("sha256", _("Hash")))
    search_fields = ("actor_name__exact", "verb__exact")


class Endpoints(Table):
    title = _("Endpoints")
    purpose = _("The language models that can be asked. Keys are never shown.")
    columns = (
        ("name", _("Name")),
        ("backend", _("Backend")),
        ("model", _("Model")),
        ("base_url", _("Address")),
        ("concurrency", _("Concurrent calls")),
    )
    more = (("key_env", _("Variable that holds the key")),)


class Templates(Table):
    title = _("Prompt templates")
    purpose = _("The exact texts that were sent to language models.")
    columns = (("name", _("Name")), ("created", _("Created")), ("sha256", _("Hash")))
    more = (("text", _("Text")),)


class Runs(Table):
    title = _("Runs")
    purpose = _("Every execution of a stage with its frozen parameters.")
    columns = (
        ("stage", _("Stage")),
        ("state", _("State")),
        ("chain", _("Chain")),
        ("actor_name", _("Started by")),
        ("started", _("Started")),
        ("finished", _("Finished")),
    )
    more = (
        ("params", _("Frozen parameters")),
        ("total", _("Rows")),
        ("outputs", _("Outputs")),
        ("error", _("Error")),
        ("offline_rules", _("Offline rules")),
        ("created", _("Created")),
    )
    filters = ("state",)
    search_fields = ("stage__exact",)
    page = "runs:detail"


class Corpora(Table):
    title = _("Corpora")
    purpose = _("Imported datasets with licence, use and hash.")
    columns = (
        ("name", _("Name")),
        ("format", _("Format")),
        ("role", _("Use")),
        ("licence", _("Licence")),
        ("exportable", _("May leave in exports")),
        ("created", _("Imported")),
    )
    more = (("split", _("Split")), ("file_name", _("File")), ("sha256", _("Hash")))
    filters = ("role",)
    search_fields = ("name__startswith",)
    page = "annotation:corpus"


class Maps(Table):
    title = _("Merge maps")
    purpose = _("Versions of label → category; a published one never changes.")
    columns = (
        ("version", _("Version")),
        ("state", _("State")),
        ("created", _("Created")),
        ("published", _("Published")),
    )
    more = (("parent", _("Made from")), ("sha256", _("Hash")))
    filters = ("state",)
    list_select_related = ("parent",)


class Sets(Table):
    title = _("Alignment sets")
    purpose = _("Selections of samples with rule, counts and hash.")
    columns = (
        ("name", _("Name")),
        ("state", _("State")),
        ("merge_map", _("Merge map")),
        ("created", _("Created")),
        ("frozen", _("Frozen")),
    )
    more = (
        ("rule", _("Rule")),
        ("counts", _("Counts")),
        ("file", _("File")),
        ("sha256", _("Hash")),
        ("offline_rules", _("Offline rules")),
    )
    filters = ("state",)
    list_select_related = ("merge_map",)
    page = "pipeline:set"


class Evaluations(Table):
    title = _("Evaluations")
    purpose = _("A model on a version of a benchmark, with what makes runs comparable.")
    columns = (
        ("version.benchmark", _("Benchmark")),
        ("subject", _("Model")),
        ("endpoint", _("Endpoint")),
        ("run", _("Run")),
    )
    more = (
        ("version.sha256", _("Hash of the benchmark")),
        ("model_sha256", _("Hash of the model")),
        ("settings", _("Settings")),
        ("offline_rules", _("Offline rules")),
    )
    filters = ("subject",)
    list_select_related = ("version__benchmark", "endpoint", "run")


site.register(TrainingRun, Trainings)
site.register(Run, Runs)
site.register(EvaluationRun, Evaluations)
site.register(AlignmentSet, Sets)
site.register(MergeMap, Maps)
site.register(Corpus, Corpora)
site.register(User, People)
site.register(ApiToken, Tokens)
site.register(AuditEvent, Record)
site.register(Endpoint, Endpoints)
site.register(PromptTemplate, Templates)
