from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "madsafe_web.core"
    label = "core"
    verbose_name = "MadSafe"

    def ready(self) -> None:
        from madsafe_web.core import scopes  # noqa: F401  # importing it declares them
