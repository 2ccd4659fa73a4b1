#!/usr/bin/env python
"""Run the management commands of InferenceCloud."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inferencecloud.settings.dev")
    execute_from_command_line(sys.argv)
