"""report.html as its tables and elements, and the facts behind its numbers."""

import json
import re
from collections import Counter
from html.parser import HTMLParser

from reports.paper.provenance import Records

VOID = {"meta", "link", "img", "input", "br", "circle", "rect", "path", "line", "use"}
NOTHING = Records({}, {})  # neither commits nor digests are known


class Page(HTMLParser):
    """The page's tables by id, as rows of cells (attributes, text, button), and all elements."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.tables, self.texts = [], [], {}, Counter()
        self.table = self.cell = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables[attributes["id"]] = {"heads": [], "rows": []}
        elif tag == "tr" and "thead" not in self.open:
            self.table["rows"].append([])
        elif tag in ("td", "th"):
            self.cell = {"attributes": attributes, "text": "", "button": None}
            rows = self.table["heads"] if "thead" in self.open else self.table["rows"][-1]
            rows.append(self.cell)
        elif tag == "button" and self.cell is not None and attributes.get("class") == "n":
            self.cell["button"] = attributes

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, text):
        if self.cell is not None and "svg" not in self.open:
            self.cell["text"] += text

    def list_rows(self, table):
        """The rows as text by column key."""
        keys = [head["attributes"]["data-key"] for head in self.tables[table]["heads"]]
        return [dict(zip(keys, row, strict=True)) for row in self.tables[table]["rows"]]


def read_facts(text):
    """What the page knows of each number: its source, value and origin."""
    return json.loads(re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1])
