"""All data sets under one name: `from ironbound.data import sets; sets.mnist("test")`."""

from ironbound.data.images import ImageSet, cifar10, fashion_mnist, mnist, pneumonia
from ironbound.data.texts import (
    PairSet,
    TextSet,
    advbench,
    ag_news,
    fashion_products,
    hate_offensive,
    nlvr,
    sms_spam,
)

__all__ = [
    "ImageSet",
    "PairSet",
    "TextSet",
    "advbench",
    "ag_news",
    "cifar10",
    "fashion_mnist",
    "fashion_products",
    "hate_offensive",
    "mnist",
    "nlvr",
    "pneumonia",
    "sms_spam",
]
