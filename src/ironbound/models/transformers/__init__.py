"""Hugging Face models as base classifiers: guards of images and text, text classifiers, image classifiers.

words       the tokens that an answer's words may begin with
answers     an answer from next-token probabilities, or from generated text
images      noised images, in the user's units, as the 8-bit images that processors expect
texts       noised tokens as text that cannot pretend to be part of the template
guard       an image-text-to-text (or chat) model as a filter
classifiers models with a classification head
loading     local folders, safetensors only, no code from the folder
"""

from ironbound.models.transformers.classifiers import (
    TransformersImageClassifier,
    TransformersTextClassifier,
)
from ironbound.models.transformers.guard import TransformersGuard
from ironbound.models.transformers.loading import (
    load_guard,
    load_image_classifier,
    load_text_classifier,
)

__all__ = [
    "TransformersGuard",
    "TransformersImageClassifier",
    "TransformersTextClassifier",
    "load_guard",
    "load_image_classifier",
    "load_text_classifier",
]
