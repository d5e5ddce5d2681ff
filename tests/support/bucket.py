"""A server that speaks S3 (moto's), on loopback."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "portal-files"


@contextmanager
def serving_s3() -> Iterator[str]:
    """Yields the server's address, with an empty bucket; credentials come as they do to the portal."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            environment.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            environment.setenv(name, os.devnull)
        for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}.items():
            environment.setenv(f"AWS_{name}", value)
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("no_proxy", "127.0.0.1")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        address = "http://{}:{}".format(*server.get_host_and_port())
        with closing(boto3.client("s3", endpoint_url=address)) as client:
            client.create_bucket(Bucket=BUCKET)
        yield address
        server.stop()
