"""The style by which QGIS shows the changed buildings as the report's map does."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as Xml

from satellite.report.categories import Category

#: The version whose form the style has; later ones read it.
_VERSION = "3.22.0"
_FILL_OPACITY = 70  # of 255: the image below stays visible
_OUTLINE_MM = 0.6
_NUMBER_PT = 9


def qgis_style(field: str, categories: Iterable[Category], number: str | None = None) -> str:
    """Makes a style file (QML) that colours polygons by category.

    QGIS applies the file by itself to a layer of the same name in the same folder.

    Args:
        field: The field with the category's key.
        categories: The categories, in the order of the legend.
        number: The field that labels each polygon; ``None``: no labels.
    """
    labelled = {"labelsEnabled": "0" if number is None else "1"}
    about = {"version": _VERSION, "styleCategories": "Symbology|Labeling", **labelled}
    root = Xml.Element("qgis", about)
    renderer = Xml.SubElement(
        root, "renderer-v2", {"type": "categorizedSymbol", "attr": field, "symbollevels": "0"}
    )
    legend, symbols = Xml.SubElement(renderer, "categories"), Xml.SubElement(renderer, "symbols")
    for place, category in enumerate(categories):
        entry = {"value": category.key, "label": category.label, "symbol": str(place)}
        Xml.SubElement(legend, "category", {**entry, "render": "true", "type": "string"})
        _symbol(symbols, str(place), category)
    if number is not None:
        _labels(root, number)
    Xml.indent(root)
    text = Xml.tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n"


def _symbol(symbols: Xml.Element, name: str, category: Category) -> None:
    symbol = Xml.SubElement(symbols, "symbol", {"name": name, "type": "fill", "alpha": "1"})
    layer = Xml.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0"})
    colour = ",".join(map(str, category.colour))
    options = Xml.SubElement(layer, "Option", {"type": "Map"})
    for key, value in {
        "color": f"{colour},{_FILL_OPACITY}",
        "outline_color": f"{colour},255",
        "outline_style": "solid",
        "outline_width": str(_OUTLINE_MM),
        "outline_width_unit": "MM",
        "style": "solid",
    }.items():
        Xml.SubElement(options, "Option", {"name": key, "value": value, "type": "QString"})


def _labels(root: Xml.Element, field: str) -> None:
    settings = Xml.SubElement(Xml.SubElement(root, "labeling", {"type": "simple"}), "settings")
    letters = {
        "fieldName": field,
        "fontSize": str(_NUMBER_PT),
        "fontSizeUnit": "Point",
        "textColor": "255,255,255,255",
        "namedStyle": "Bold",
    }
    style = Xml.SubElement(settings, "text-style", letters)
    rim = {"bufferDraw": "1", "bufferSize": "0.8", "bufferColor": "0,0,0,255"}
    Xml.SubElement(style, "text-buffer", rim)
    Xml.SubElement(settings, "placement", {"placement": "1", "centroidInside": "1"})
