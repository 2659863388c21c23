"""The characters on plates, in the order in which the readers' networks number them."""

from __future__ import annotations

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
SPECIAL = "警学挂港澳使领试超应急民航"
"""Chinese characters on plates that name no province: police, learner, trailer and so on."""

BLANK = ""
CHINESE: tuple[str, ...] = (BLANK, *DIGITS, *LETTERS, *PROVINCES, *SPECIAL)
"""Characters of a reader of Chinese plates by class; the first stands for no character."""

LATIN: tuple[str, ...] = (BLANK, *DIGITS, *LETTERS)
"""Characters of a reader of Latin plates by class; the first stands for no character."""
