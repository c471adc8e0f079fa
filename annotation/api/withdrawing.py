"""The withdrawal of a corpus: what derives from it, and the run that blanks it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.corpora import WithdrawForm
from annotation.derived import told
from annotation.models import Corpus
from annotation.withdrawing import Busy, busy, is_whole, withdrawal_start
from madsafe_web.core.api.errors import Conflict, refused
from madsafe_web.core.api.fields import Body, Text
from madsafe_web.core.api.runs import RunDetail, run_detail
from madsafe_web.core.api.views import ApiView


class DerivedLink(serializers.Serializer[Any]):
    name = serializers.CharField()
    address = serializers.CharField(help_text="Of its page.")


class DerivedShown(serializers.Serializer[Any]):
    """Rows of one kind that derive from the corpus."""

    name = serializers.CharField()
    count = serializers.IntegerField()
    fate = serializers.CharField(help_text="What happens to them.")
    links = DerivedLink(many=True)


class WithdrawalShown(serializers.Serializer[Any]):
    corpus = serializers.CharField()
    withdrawn = serializers.DateTimeField(allow_null=True, help_text="When a withdrawal began.")
    finished = serializers.BooleanField(help_text="Whether one came to its end: nothing is left to withdraw.")
    in_the_way = serializers.ListField(
        child=serializers.IntegerField(), help_text="Runs in work. While there are any, none is started."
    )
    derived = DerivedShown(many=True)


class Withdrawal(Body):
    name = Text(max_length=120, help_text="The name of the corpus, since nothing brings back what is withdrawn.")


class CorpusWithdraw(ApiView):
    read_right = write_right = "run"

    @extend_schema(operation_id="corpora_withdrawal", responses=WithdrawalShown)
    def get(self, request: Request, pk: int) -> Response:
        """Show what a withdrawal of the corpus would blank, mark and leave."""
        corpus = self.row(Corpus, pk)
        shown = {
            "corpus": corpus.name,
            "withdrawn": corpus.withdrawn,
            "finished": not is_whole(corpus),
            "in_the_way": [run.pk for run in busy()],
            "derived": [
                {
                    **{name: getattr(one, name) for name in ("name", "count", "fate")},
                    "links": [{"name": name, "address": address} for name, address in one.links],
                }
                for one in told(corpus)
            ],
        }
        return Response(WithdrawalShown(shown).data)

    @extend_schema(operation_id="corpora_withdraw", request=Withdrawal, responses={201: RunDetail})
    def post(self, request: Request, pk: int) -> Response:
        """Withdraw the corpus for good. The answer is the run that does it; 409 while other runs are in work."""
        corpus = self.row(Corpus, pk)
        form = WithdrawForm(corpus, self.body(Withdrawal))
        if not form.is_valid():
            raise refused(form)
        return self.once(lambda: self._start(corpus))

    def _start(self, corpus: Corpus) -> Response:
        if not is_whole(corpus):
            raise Conflict("The corpus is withdrawn already.")
        try:
            return Response(run_detail(withdrawal_start(user=self.user, corpus=corpus)), status=201)
        except Busy as error:
            names = ", ".join(error.names)
            text = f"{names} may be writing what derives from the corpus. Wait for them, or pause them."
            raise Conflict(text) from error
