"""The answers for load balancers."""

from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from redis import RedisError


def test_a_process_that_answers_is_live(client: Client) -> None:
    answer = client.get("/health/live/")

    assert answer.json() == {"live": True}


@pytest.mark.django_db
def test_an_instance_whose_database_and_cache_answer_is_ready(client: Client) -> None:
    answer = client.get("/health/ready/")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": True, "cache": True}


@pytest.mark.django_db
def test_an_instance_without_its_database_is_not_ready(client: Client) -> None:
    with patch.object(connection, "cursor", side_effect=DatabaseError):
        answer = client.get("/health/ready/")

    assert answer.status_code == 503
    assert answer.json()["database"] is False


@pytest.mark.parametrize("path", ["/health/live/", "/health/ready/"])
def test_health_is_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("refusal", [OSError("no route"), RedisError("no server")])
def test_an_instance_without_its_cache_is_not_ready(client: Client, refusal: Exception) -> None:
    with patch.object(cache, "set", side_effect=refusal):
        answer = client.get("/health/ready/")
    assert answer.status_code == 503
    assert answer.json()["cache"] is False
