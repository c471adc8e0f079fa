"""Corpora, and the import of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.corpus_facts import LENGTHS, Facts
from annotation.models import Corpus, RejectedImport
from annotation.pages.corpora import corpora_shown, corpus_context
from annotation.rejects import standing_rejects, with_raw
from annotation.uploading import UploadForm, declared, import_start
from madsafe_web.core.access import scoped
from madsafe_web.core.api.errors import refused
from madsafe_web.core.api.fields import Body
from madsafe_web.core.api.paging import ListQuery
from madsafe_web.core.api.runs import RunDetail, run_detail
from madsafe_web.core.api.views import ApiView, ListView
from madsafe_web.core.models import User

PLAIN = (
    *("id", "name", "format", "role", "split", "licence", "exportable"),
    *("file_name", "sha256", "mapping", "created", "withdrawn"),
)


class CorpusShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    format = serializers.CharField()
    role = serializers.ChoiceField(choices=Corpus.Role.choices)
    split = serializers.CharField(allow_blank=True)
    licence = serializers.CharField(allow_blank=True)
    exportable = serializers.BooleanField(help_text="Whether what derives from it may be exported.")
    file_name = serializers.CharField(allow_blank=True)
    sha256 = serializers.CharField(allow_blank=True)
    created = serializers.DateTimeField()
    withdrawn = serializers.DateTimeField(allow_null=True, help_text="Since when its texts are blanked.")
    prompts = serializers.IntegerField()
    responses = serializers.IntegerField()
    rejected = serializers.IntegerField(help_text="Rows of the file that could not be imported.")
    imported = serializers.CharField(help_text="`done`, `importing`, or the state of a run that did not end.")


class Named(serializers.Serializer[Any]):
    name = serializers.CharField()
    count = serializers.IntegerField()


class LengthBar(serializers.Serializer[Any]):
    most = serializers.IntegerField(allow_null=True, help_text="Characters; null in the last bar.")
    count = serializers.IntegerField()


class RejectedRow(serializers.Serializer[Any]):
    file = serializers.CharField(allow_blank=True)
    row = serializers.IntegerField(source="number")
    field = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()


class ImportShown(serializers.Serializer[Any]):
    """One file that a run brought in: read = imported + duplicates + rejected."""

    run = serializers.IntegerField(source="run_id")
    state = serializers.CharField()
    file = serializers.CharField()
    by = serializers.CharField()
    read = serializers.IntegerField()
    imported = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    warnings = serializers.DictField(child=serializers.IntegerField())


class CorpusDetail(CorpusShown):
    mapping = serializers.DictField(help_text="How the columns of a file of no known format were read.")
    without_response = serializers.IntegerField()
    imports = ImportShown(many=True)
    languages = Named(many=True)
    scenarios = Named(many=True)
    attack_types = Named(many=True)
    lengths = LengthBar(many=True, help_text="Prompts by their length.")
    rejected_rows = RejectedRow(many=True, help_text="The newest of them; all at `rejected/`.")


RAW_LISTED = 65_536  # characters of a rejected row in a list


class RejectedLine(serializers.ModelSerializer[RejectedImport]):
    class Meta:
        model = RejectedImport
        fields = ("id", "run", "file", "row", "field", "reason", "raw")
        read_only_fields = fields


class CorpusQuery(ListQuery):
    role = serializers.ChoiceField(choices=Corpus.Role.choices, required=False)


class NewCorpus(Body):
    """One file with what is to be known about it; what is left out takes what the format says."""

    file = serializers.FileField(help_text="JSON, JSONL or CSV, also zipped.")
    format = serializers.CharField(max_length=40, help_text="Name of an importer, for example `alpaca`.")
    name = serializers.CharField(max_length=120, help_text="Name of the corpus; there must be none of it yet.")
    role = serializers.ChoiceField(choices=Corpus.Role.choices, required=False)
    licence = serializers.CharField(max_length=80, required=False)
    answers = serializers.FileField(required=False, help_text="Only for benchmarks that keep them in another file.")
    dev = serializers.FileField(required=False, help_text="Few-shot examples of a benchmark, likewise.")
    split = serializers.CharField(max_length=20, required=False, help_text="Kept with every row: train, test or dev.")
    mapping = serializers.CharField(
        max_length=20000, required=False, help_text="JSON for the format `generic`: which columns hold what."
    )


def corpora_json(user: User, rows: list[Corpus]) -> list[dict[str, Any]]:
    """Corpora with their counts, in six queries."""
    shown = {one.id: one for one in corpora_shown(scoped(user, Corpus).filter(pk__in=[row.pk for row in rows]))}
    return [{**plain(row), **counts(shown[row.pk])} for row in rows]


def plain(row: Corpus) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PLAIN}


def counts(one: Any) -> dict[str, Any]:
    return {"prompts": one.prompts, "responses": one.responses, "rejected": one.rejected, "imported": one.state}


class Corpora(ListView):
    write_right = "run"
    query_form = CorpusQuery
    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="corpora_list", responses=CorpusShown(many=True))
    def get(self, request: Request) -> Response:
        """List the corpora."""
        wanted = {"role": self.asked["role"]} if "role" in self.asked else {}
        rows = scoped(self.user, Corpus).filter(**wanted)
        return self.page(rows, lambda found: list(CorpusShown(corpora_json(self.user, found), many=True).data))

    @extend_schema(
        operation_id="corpora_import", request={"multipart/form-data": NewCorpus}, responses={201: RunDetail}
    )
    def post(self, request: Request) -> Response:
        """Import a file as a corpus. The answer is the run that does it."""
        if extra := sorted(set(request.data) - set(UploadForm.base_fields)):
            raise ValidationError({name: [NewCorpus.unknown] for name in extra})
        form = UploadForm(request.data, request.FILES)
        if not form.is_valid():
            raise refused(form)
        file = declared(form.cleaned_data)
        return self.once(lambda: Response(run_detail(import_start(user=self.user, declared=file)), status=201))


class CorpusOne(ApiView):
    @extend_schema(operation_id="corpora_get", responses=CorpusDetail)
    def get(self, request: Request, pk: int) -> Response:
        """Show a corpus with its scenarios and the rows that could not be imported."""
        row = self.row(Corpus, pk)
        context = corpus_context(row, QueryDict())
        facts = context["facts"]
        shown = {
            **plain(row),
            **{name: getattr(facts, name) for name in ("prompts", "responses", "without_response")},
            "rejected": context["pager"].total,
            "imported": context["state"],
            "imports": context["imports"],
            "languages": named(facts.languages),
            "scenarios": named(facts.scenarios),
            "attack_types": named(facts.attacks),
            "lengths": lengths(facts),
            "rejected_rows": context["rejected"],
        }
        return Response(CorpusDetail(shown).data)


def named(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The most frequent first, ties by name."""
    return [{"name": name, "count": n} for name, n in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]


def lengths(facts: Facts) -> list[dict[str, Any]]:
    """The bars of the length histogram; the last has no upper bound."""
    return [{"most": most, "count": n} for most, n in zip((*LENGTHS, None), facts.lengths, strict=True)]


class CorpusRejected(ListView):
    query_form = ListQuery

    @extend_schema(operation_id="corpora_rejected", responses=RejectedLine(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """List the rows that could not be imported into a corpus, as they came: of each the first 65,536 characters."""
        rows = standing_rejects(self.row(Corpus, pk)).defer("raw")
        return self.page(rows, lambda found: list(RejectedLine(with_raw(found, RAW_LISTED), many=True).data))
