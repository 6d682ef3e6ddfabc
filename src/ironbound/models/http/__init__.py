"""A deployed filter behind a JSON endpoint, as a base classifier.

`classifier` puts the parts together: `template` and `encoders` say what is sent, `path` and `meaning` how the
answer is read, `headers` and `transport` how it travels, `pacing` and `caller` when it is tried again, and
`health` what is made of failures. Standard library only; images as PNG need Pillow.
"""

from __future__ import annotations

from ironbound.models.http.classifier import HttpClassifier
from ironbound.models.http.encoders import Png
from ironbound.models.http.health import Failures
from ironbound.models.http.transport import Reply, Transport, Unreachable

__all__ = ["Failures", "HttpClassifier", "Png", "Reply", "Transport", "Unreachable"]
