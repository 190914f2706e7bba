"""Sprites drawn from parts and palettes, and the factors each one was drawn from."""
from diffutils.sprites.forge import bob, count_sprites, forge_sprites, render

__all__ = ["bob", "count_sprites", "forge_sprites", "render"]
