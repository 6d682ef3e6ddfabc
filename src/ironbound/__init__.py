"""ironbound: certified robustness for classifiers on images, text, tables, and several of these at once.

The public names below are loaded on first use, so that `import ironbound` stays light and the command
line answers `--help` without importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ironbound._version import __version__

if TYPE_CHECKING:
    from ironbound import confidence as confidence
    from ironbound import latent as latent
    from ironbound import laws as laws
    from ironbound import lipschitz as lipschitz
    from ironbound.certificate import Certificate as Certificate
    from ironbound.channels import AdaptiveGaussian as AdaptiveGaussian
    from ironbound.channels import Alphabet as Alphabet
    from ironbound.channels import AnisotropicGaussian as AnisotropicGaussian
    from ironbound.channels import Categorical as Categorical
    from ironbound.channels import Deletion as Deletion
    from ironbound.channels import Gaussian as Gaussian
    from ironbound.channels import Mask as Mask
    from ironbound.channels import OnSlot as OnSlot
    from ironbound.channels import OnSuffix as OnSuffix
    from ironbound.channels import Smoothing as Smoothing
    from ironbound.channels import SynonymReplacement as SynonymReplacement
    from ironbound.channels import UniformReplacement as UniformReplacement
    from ironbound.errors import InputError as InputError
    from ironbound.errors import InvalidCertificate as InvalidCertificate
    from ironbound.errors import IronboundError as IronboundError
    from ironbound.smoothing import SmoothedClassifier as SmoothedClassifier
    from ironbound.threats import L2 as L2
    from ironbound.threats import Edits as Edits
    from ironbound.threats import FieldsL0 as FieldsL0
    from ironbound.threats import LInf as LInf
    from ironbound.threats import SuffixAppend as SuffixAppend
    from ironbound.threats import SuffixInPlace as SuffixInPlace
    from ironbound.threats import SynonymL0 as SynonymL0
    from ironbound.threats import Threat as Threat
    from ironbound.threats import TokenL0 as TokenL0

_PUBLIC = {
    "AdaptiveGaussian": "ironbound.channels",
    "Alphabet": "ironbound.channels",
    "AnisotropicGaussian": "ironbound.channels",
    "Categorical": "ironbound.channels",
    "Certificate": "ironbound.certificate",
    "Deletion": "ironbound.channels",
    "Edits": "ironbound.threats",
    "FieldsL0": "ironbound.threats",
    "Gaussian": "ironbound.channels",
    "InputError": "ironbound.errors",
    "InvalidCertificate": "ironbound.errors",
    "IronboundError": "ironbound.errors",
    "L2": "ironbound.threats",
    "LInf": "ironbound.threats",
    "Mask": "ironbound.channels",
    "OnSlot": "ironbound.channels",
    "OnSuffix": "ironbound.channels",
    "SmoothedClassifier": "ironbound.smoothing",
    "Smoothing": "ironbound.channels",
    "SuffixAppend": "ironbound.threats",
    "SuffixInPlace": "ironbound.threats",
    "SynonymL0": "ironbound.threats",
    "SynonymReplacement": "ironbound.channels",
    "Threat": "ironbound.threats",
    "TokenL0": "ironbound.threats",
    "UniformReplacement": "ironbound.channels",
}
_MODULES = ("confidence", "latent", "laws", "lipschitz")

__all__ = [  # noqa: RUF022 - modules first, then names
    "confidence",
    "latent",
    "laws",
    "lipschitz",
    "AdaptiveGaussian",
    "Alphabet",
    "AnisotropicGaussian",
    "Categorical",
    "Certificate",
    "Deletion",
    "Edits",
    "FieldsL0",
    "Gaussian",
    "InputError",
    "InvalidCertificate",
    "IronboundError",
    "L2",
    "LInf",
    "Mask",
    "OnSlot",
    "OnSuffix",
    "SmoothedClassifier",
    "Smoothing",
    "SuffixAppend",
    "SuffixInPlace",
    "SynonymL0",
    "SynonymReplacement",
    "Threat",
    "TokenL0",
    "UniformReplacement",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"ironbound.{name}")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'ironbound' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
