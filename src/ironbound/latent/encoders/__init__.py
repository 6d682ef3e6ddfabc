"""What stands in front of a latent: encoders with a Lipschitz constant, and others, which are smoothed.

base        what an encoder with a constant is
linear      principal components, random orthogonal projections
network     torch networks with a bound from the Lipschitz ledger; rounding bounds their float64 error
clever      sampled local constants: estimates, which no certificate accepts
adapters    torch modules, Hugging Face and sentence encoders without a constant, for smoothing
"""

from ironbound.latent.encoders.base import LipschitzEncoder, input_digest
from ironbound.latent.encoders.clever import LipschitzEstimate, estimate_lipschitz
from ironbound.latent.encoders.linear import LinearEncoder
from ironbound.latent.encoders.network import NetworkEncoder

__all__ = [
    "LinearEncoder",
    "LipschitzEncoder",
    "LipschitzEstimate",
    "NetworkEncoder",
    "estimate_lipschitz",
    "input_digest",
]
