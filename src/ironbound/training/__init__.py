"""Training of networks that are to be certified: one loop, several losses, checkpoints that resume.

    recipe       everything that decides the weights, as one record; presets; TOML
    networks     HyCASNet and the plain residual network of the same size
    losses       noise augmentation with auxiliary stream losses, adversarial training, TRADES
    loop         the loop; checkpoint keeps its state, log its metrics
    trained      weights on disk, and networks read back from them
    tasks        the built-in tasks on trained HyCAS networks

Source: Dhar et al., HyCAS, ICLR 2026 (arXiv 2605.01519); Madry et al. 2018 (arXiv 1706.06083); Zhang et al.,
TRADES, 2019 (arXiv 1901.08573).
"""

from ironbound.training.loop import train
from ironbound.training.recipe import PRESETS, Recipe, preset, read_recipe
from ironbound.training.trained import load_network, save_network

__all__ = ["PRESETS", "Recipe", "load_network", "preset", "read_recipe", "save_network", "train"]
