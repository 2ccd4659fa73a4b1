"""The part of benchmarks/collab.py that fills a database.

    python -m benchmarks.inside.collab EDITORS VIEWERS NOTEBOOKS

Prints the session keys of the people and the ids of the notebooks as JSON on its last line.
"""

import json
import sys

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.test import Client  # noqa: E402

from apps.organizations.models import Role  # noqa: E402
from tests import factories  # noqa: E402


def main() -> None:
    """Make a company of editors and viewers with empty notebooks."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody signs in
    editors, viewers, notebooks = map(int, sys.argv[1:])
    company = factories.company()
    roles = [Role.EDITOR] * editors + [Role.VIEWER] * viewers
    people = [factories.member(company.launches, role) for role in roles]
    sessions = []
    for person in people:
        client = Client()
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        sessions.append(client.cookies[settings.SESSION_COOKIE_NAME].value)
    made = [factories.notebook(company.launches, by=people[0]) for _ in range(notebooks)]
    print(json.dumps({"sessions": sessions, "notebooks": [str(book.pk) for book in made]}))


if __name__ == "__main__":
    main()
