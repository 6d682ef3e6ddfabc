"""What joint certificates are compared with: one channel alone, subsampling, and the unsound product.

Each baseline speaks of a classifier of its own, and its statement says which. None of them is a maximum over
several classifiers, and the product of one-channel certificates is an estimate that no record can hold.
"""

from ironbound.baselines.naive import NaiveProduct, naive_product
from ironbound.baselines.one_channel import one_channel
from ironbound.baselines.subsampling import Subsampled, SubsamplingBound

__all__ = ["NaiveProduct", "Subsampled", "SubsamplingBound", "naive_product", "one_channel"]
