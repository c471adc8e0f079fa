"""The addresses of this app's part of the API."""

from django.urls import path

from annotation.api import corpora, label_steps, labels, maps, prompts, review, taxonomies, withdrawing

urlpatterns = [
    path("taxonomies/", taxonomies.Taxonomies.as_view(), name="taxonomies"),
    path("categories/", taxonomies.Categories.as_view(), name="categories"),
    path("corpora/", corpora.Corpora.as_view(), name="corpora"),
    path("corpora/<int:pk>/", corpora.CorpusOne.as_view(), name="corpus"),
    path("corpora/<int:pk>/rejected/", corpora.CorpusRejected.as_view(), name="corpus-rejected"),
    path("corpora/<int:pk>/withdraw/", withdrawing.CorpusWithdraw.as_view(), name="corpus-withdraw"),
    path("prompts/", prompts.Prompts.as_view(), name="prompts"),
    path("prompts/<int:pk>/", prompts.PromptOne.as_view(), name="prompt"),
    path("labels/", labels.Labels.as_view(), name="labels"),
    path("labels/<int:pk>/", labels.LabelOne.as_view(), name="label"),
    path("labels/assign/", labels.LabelAssign.as_view(), name="label-assign"),
    path("labels/undo/", labels.LabelUndo.as_view(), name="label-undo"),
    path("labels/redo/", labels.LabelRedo.as_view(), name="label-redo"),
    path("labels/theme/", label_steps.LabelTheme.as_view(), name="label-theme"),
    path("labels/flag/", label_steps.LabelFlag.as_view(), name="label-flag"),
    path("labels/refuse/", label_steps.LabelRefuse.as_view(), name="label-refuse"),
    path("labels/comment/", label_steps.LabelNote.as_view(), name="label-comment"),
    path("labels/conflicts/", label_steps.LabelConflicts.as_view(), name="label-conflicts"),
    path("labels/history/", label_steps.LabelHistory.as_view(), name="label-history"),
    path("merge-maps/", maps.Maps.as_view(), name="maps"),
    path("merge-maps/<int:pk>/", maps.MapOne.as_view(), name="map"),
    path("merge-maps/<int:pk>/entries/", maps.MapEntries.as_view(), name="map-entries"),
    path("merge-maps/<int:pk>/publish/", maps.MapPublish.as_view(), name="map-publish"),
    path("merge-maps/<int:pk>/finish/", maps.MapFinish.as_view(), name="map-finish"),
    path("review/", review.Review.as_view(), name="review"),
    path("review/take/", review.ReviewTake.as_view(), name="review-take"),
    path("review/answer/", review.ReviewAnswer.as_view(), name="review-answer"),
    path("review/skip/", review.ReviewSkip.as_view(), name="review-skip"),
    path("review/undo/", review.ReviewUndo.as_view(), name="review-undo"),
]
