"""A page that shows a HiPS in a browser.

Aladin Lite, which is under the GPL, is no part of it: the page names where its makers, the CDS,
serve it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from string import Template

ALADIN = "https://aladin.cds.unistra.fr/AladinLite/api/v3/latest/aladin.js"

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>html, body, #sky { height: 100%; margin: 0 } p { font: 1em sans-serif; padding: 2em }</style>
</head>
<body>
<div id="sky"><p>$title: $description.</p></div>
<script src="$aladin"></script>
<script>
const sky = document.getElementById("sky");
if (window.A && location.protocol !== "file:") {
  sky.replaceChildren();
  const survey = new URL(".", location).href;
  A.init.then(() => A.aladin("#sky", Object.assign($view, { survey })));
} else {
  const why = window.A
    ? "Serve this folder ('python -m http.server') and open the page from there."
    : "Aladin Lite could not be loaded; any viewer of HiPS shows this folder by its address.";
  sky.append(Object.assign(document.createElement("p"), { textContent: why }));
}
</script>
</body>
</html>
""")


def page_of(properties: Mapping[str, str]) -> str:
    """The page of a HiPS with these properties."""
    place = (properties[f"hips_initial_{axis}"] for axis in ("ra", "dec"))
    view = {
        "target": " ".join(place),
        "fov": float(properties["hips_initial_fov"]),
        "cooFrame": "ICRS",
    }
    return _PAGE.substitute(
        title=escape(properties["obs_title"]),
        description=escape(properties["obs_description"]),
        aladin=ALADIN,
        view=json.dumps(view),
    )
