# The image of web, worker and migrations; compose.yaml says how they are started. The var folder is a volume.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# Torch first and alone: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu takes the build without CUDA.
ARG TORCH_INDEX=
RUN pip install torch==2.13.0 ${TORCH_INDEX:+--index-url $TORCH_INDEX}
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY requirements/train.txt requirements/
RUN pip install --no-deps -r requirements/train.txt

COPY manage.py pyproject.toml LICENSE ./
COPY examples/ examples/
COPY locale/ locale/
COPY static/ static/
COPY templates/ templates/
COPY madsafe_web/ madsafe_web/
COPY annotation/ annotation/
COPY pipeline/ pipeline/
COPY evaluation/ evaluation/

# The key made here is for this one command: the settings do not load without any.
ENV MADSAFE_STATIC=/srv/static
RUN MADSAFE_VAR=/tmp/build MADSAFE_SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(48))") \
    python manage.py collectstatic --noinput \
    && rm -r /tmp/build

RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent madsafe \
    && install -d -o madsafe -g madsafe -m 700 /var/lib/madsafe
ENV MADSAFE_VAR=/var/lib/madsafe HOME=/tmp
USER madsafe
VOLUME /var/lib/madsafe
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "madsafe_web.wsgi", "--bind", "0.0.0.0:8000", "--preload", "--workers", "2", "--threads", "4", "--worker-tmp-dir", "/dev/shm"]
