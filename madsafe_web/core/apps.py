from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "madsafe_web.core"
    label = "core"
    verbose_name = "MadSafe"
