from django.urls import path

from annotation.views import corpora, distributions, history, merge, prompts, review, uploads, withdrawing

app_name = "annotation"
urlpatterns = [
    path("corpora/", corpora.corpora, name="corpora"),
    path("corpora/import/", uploads.upload, name="upload"),
    path("corpora/import/begin/", uploads.begin, name="upload-begin"),
    path("corpora/import/<str:token>/", uploads.preview, name="upload-preview"),
    path("corpora/import/<str:token>/piece/", uploads.piece, name="upload-piece"),
    path("corpora/<int:pk>/", corpora.corpus, name="corpus"),
    path("corpora/<int:pk>/use/", corpora.corpus_use, name="corpus-use"),
    path("corpora/<int:pk>/corrected/", corpora.corpus_corrected, name="corpus-corrected"),
    path("corpora/<int:pk>/withdraw/", withdrawing.withdraw, name="corpus-withdraw"),
    path("corpora/<int:pk>/rejected/", corpora.corpus_rejects, name="corpus-rejects"),
    path("prompts/", prompts.prompts, name="prompts"),
    path("prompts/<int:pk>/", prompts.prompt, name="prompt"),
    path("prompts/facets/<slug:name>/", prompts.prompts_facet, name="prompts-facet"),
    path("prompts/page/<slug:kind>/", prompts.prompts_page, name="prompts-page"),
    path("prompts/file/<slug:kind>/", prompts.prompts_file, name="prompts-file"),
    path("distributions/", distributions.distributions, name="distributions"),
    path("labels/", merge.merge, name="merge"),
    path("labels/<int:pk>/", merge.label, name="label"),
    path("labels/assign/", merge.label_assign, name="label-assign"),
    path("labels/undo/", merge.label_undo, name="label-undo"),
    path("labels/redo/", merge.label_redo, name="label-redo"),
    path("labels/history/", history.history, name="label-history"),
    path("labels/history/turn/", history.history_turn, name="label-history-turn"),
    path("labels/history/revert/", history.history_revert, name="label-history-revert"),
    path("labels/publish/", merge.map_publish, name="map-publish"),
    path("labels/finish/", merge.finish, name="merge-finish"),
    path("review/", review.review, name="review"),
    path("review/take/", review.review_take, name="review-take"),
    path("review/answer/", review.review_answer, name="review-answer"),
    path("review/skip/", review.review_skip, name="review-skip"),
    path("review/undo/", review.review_undo, name="review-undo"),
]
