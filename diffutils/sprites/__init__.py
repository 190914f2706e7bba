"""Sprites: the forge that draws them, the judge that reads them back, the loader of real ones."""

from diffutils.sprites.forge import bob, count_sprites, forge_sprites, render
from diffutils.sprites.judge import judge
from diffutils.sprites.load import load_sprites

__all__ = ["bob", "count_sprites", "forge_sprites", "judge", "load_sprites", "render"]
