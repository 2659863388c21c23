"""Two pictures of one place, beside each other or under a line that is dragged across them."""

from __future__ import annotations

from html import escape
from typing import Final

#: CSS of the pairs, besides that of every report.
STYLE: Final = """
@media screen{body{max-width:78em}}
i.dot{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border:1px solid #555;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:6px;position:relative;--at:50%}
.pair>input,.pair>.line{display:none}
.pair.swipe{display:block}
.pair.swipe>.after{position:absolute;inset:0;clip-path:inset(0 0 0 var(--at))}
.pair.swipe>input{display:block;position:absolute;inset:0;width:100%;height:100%;margin:0;
opacity:0;cursor:ew-resize;touch-action:pan-y}
.pair.swipe>.line{display:block;position:absolute;top:0;bottom:0;left:var(--at);width:3px;
margin-left:-1.5px;background:#fff;box-shadow:0 0 3px #000;pointer-events:none}
.pair.swipe>input:focus-visible~.line{background:#ffbf00}
button.pair-form{font:inherit;margin:.4em 0;padding:.1em .7em;cursor:pointer}
@media print{button.pair-form,.pair>input,.pair>.line{display:none!important}
.pair.swipe{display:grid}.pair.swipe>.after{position:static;clip-path:none}}
"""

#: JavaScript of the pairs; without it the two pictures stay beside each other.
SCRIPT: Final = """
document.querySelectorAll('button.pair-form').forEach(button=>{
  const pair=document.getElementById(button.dataset.pair);
  const show=swipe=>{
    pair.classList.toggle('swipe',swipe);
    button.textContent=swipe?'Show beside each other':'Show with a swipe'};
  button.hidden=false;
  button.onclick=()=>show(!pair.classList.contains('swipe'));
  show(button.dataset.first==='swipe')});
document.querySelectorAll('.pair>input').forEach(input=>{
  input.oninput=()=>input.parentElement.style.setProperty('--at',input.value+'%')});
"""


def pair(name: str, before: str, after: str, text: str, *, swipe: bool) -> str:
    """Makes the element with both pictures, and the button that changes its form.

    Args:
        name: Name of the element, which no other one of the page has.
        before: Address of the earlier picture.
        after: Address of the later picture, of the same size.
        text: What the pictures show, for who cannot see them; plain text.
        swipe: Whether the swipe is the first form.
    """
    first = "swipe" if swipe else "beside"
    known = escape(text)
    pictures = "".join(
        f'<img loading="lazy" class="{date}" src="{escape(source)}" alt="{known}, {date}">'
        for date, source in (("before", before), ("after", after))
    )
    return (
        f'<div class="pair" id="{escape(name)}">{pictures}'
        f'<input type="range" max="100" value="50" step="0.5" aria-label="{known}: drag from '
        'before to after"><div class="line"></div></div>'
        f'<button class="pair-form" data-pair="{escape(name)}" data-first="{first}" hidden>'
        "</button>"
    )


def dot(colour: str) -> str:
    """Makes a small square of a CSS colour, for legends and tables."""
    return f'<i class="dot" style="background:{colour}"></i>'
