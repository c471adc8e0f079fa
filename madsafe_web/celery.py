"""Celery only rings the bell: which work exists and who does it is decided in the database (docs/decisions/0002)."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "madsafe_web.settings")

from django.conf import settings

from madsafe_web.core import folder_broker

app = Celery("madsafe")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    task_ignore_result=True,
    accept_content=["json"],
    task_serializer="json",
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    imports=["madsafe_web.core.runs.tasks"],
)
if settings.CELERY_BROKER_URL.startswith("filesystem:"):
    folder_broker.use()
    folder = Path(settings.VAR_DIR) / "broker"
    for name in ("queue", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # A message is read by any worker from the folder it was written to, so "in" and "out" are one folder.
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
        "store_processed": False,
        "polling_interval": 0.2,
    }
