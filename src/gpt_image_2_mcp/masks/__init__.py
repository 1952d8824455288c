"""Masks: which part of a picture an edit is to change, given as a picture or as a shape in words.

`parse_mask` reads the words and `draw` draws them; `picture_mask` reads a picture. Both give an image of one channel
(mode `L`) of the edited picture's size, its *weights*: 255 where the picture changes, 0 where it stays. `encode`
turns weights into the PNG that the API takes.
"""
