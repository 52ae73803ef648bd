"""``llms.txt`` among the pages: what there is to read, for language models."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path


def _write(app, exception) -> None:
    if exception or app.builder.name != "html":
        return
    lines = [
        "# scmamba",
        "",
        "> Annotates, integrates, embeds and perturbs single-cell data, and runs DNA and mRNA "
        "models, in Python on AnnData and from the command line.",
        "",
    ]
    base = app.config.ogp_site_url or ""
    for section, patterns in app.config.llms_sections.items():
        lines += [f"## {section}", ""]
        found = [
            page
            for pattern in patterns
            for page in sorted(app.env.titles)
            if fnmatch(page, pattern)
        ]
        for page in (page for page in found if "generated" not in page):
            title = app.env.titles[page].astext()
            lines.append(f"- [{title}]({base}{page}.html)")
        lines.append("")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines))


def setup(app) -> dict[str, bool]:
    """Write the file when all pages are."""
    app.add_config_value("llms_sections", {}, "html")
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
