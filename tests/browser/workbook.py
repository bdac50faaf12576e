"""Reads a workbook from an address, with the standard library alone: prints its sheets' rows and whether any cell is a formula."""

import io
import json
import sys
import urllib.request
import xml.etree.ElementTree as tree
import zipfile

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

body = urllib.request.urlopen(sys.argv[1]).read()
book = zipfile.ZipFile(io.BytesIO(body))
assert book.testzip() is None
shared = []
if "xl/sharedStrings.xml" in book.namelist():
    for item in tree.fromstring(book.read("xl/sharedStrings.xml")).iter(f"{SHEET}si"):
        shared.append("".join(text.text or "" for text in item.iter(f"{SHEET}t")))
sheets = []
names = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
# The tenth sheet comes after the ninth.
for name in sorted(names, key=lambda name: (len(name), name)):
    rows = []
    formulas = 0
    for row in tree.fromstring(book.read(name)).iter(f"{SHEET}row"):
        cells = []
        for cell in row.iter(f"{SHEET}c"):
            formulas += len(list(cell.iter(f"{SHEET}f")))
            text = "".join(text.text or "" for text in cell.iter(f"{SHEET}t"))
            value = cell.find(f"{SHEET}v")
            if cell.get("t") == "s":
                text = shared[int(value.text)]
            elif value is not None:
                text = value.text
            # An empty cell is left out, and the next one says where it stands.
            place = 0
            for letter in filter(str.isalpha, cell.get("r", "")):
                place = place * 26 + ord(letter) - ord("A") + 1
            cells += [""] * (place - 1 - len(cells))
            cells.append(text)
        rows.append(cells)
    sheets.append({"rows": rows, "formulas": formulas})
print(json.dumps(sheets))
