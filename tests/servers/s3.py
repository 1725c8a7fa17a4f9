"""moto's S3 server on 127.0.0.1: real HTTP, which the real s3fs talks to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.patience import until
from tests.pipeline.clusters import free_port, reachable

BUCKET = "corpora"


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The environment that leads every S3 client to a server of one's own, with the bucket `BUCKET` in it."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            until(lambda: reachable(port), "the S3 server answers", process=server)
            environment = {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            make = f"import boto3; boto3.client('s3').create_bucket(Bucket={BUCKET!r})"
            subprocess.run([sys.executable, "-c", make], check=True, env={**os.environ, **environment})
            yield environment
        finally:
            server.kill()
