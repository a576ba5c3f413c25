"""What the site has beside docs/: files that pages link to, and the notebook as a page."""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)\)")
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
NOTEBOOK = "first-steps"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the files outside docs/, where pages find them without the `../`."""
    for page in list(files.documentation_pages()):
        if "/" in page.src_uri:
            continue
        for name in OUTSIDE.findall(page.content_string):
            if name not in PAGES and files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for name in PAGES:
        text = (ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    notebook = json.loads((ROOT / "docs" / f"{NOTEBOOK}.ipynb").read_text())
    text = "\n\n".join(_markdown(cell) for cell in notebook["cells"])
    files.append(File.generated(config, f"{NOTEBOOK}.md", content=text))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Makes the links that are right in the repository right in the site."""
    if "/" in page.file.src_uri:
        return markdown
    return OUTSIDE.sub(r"](\1)", markdown).replace(f"]({NOTEBOOK}.ipynb)", f"]({NOTEBOOK}.md)")


def _markdown(cell: dict[str, Any]) -> str:
    """A cell of a notebook: text as it is, code with what it printed and drew."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    parts = [f"```python\n{source}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            picture = "".join(data["image/png"]).replace("\n", "")
            parts.append(f"![What the code above draws](data:image/png;base64,{picture})")
        elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
            parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts)
