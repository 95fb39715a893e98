"""Pictures as inline SVG, from functions of our own: no scripts, no fonts, no files beside the page."""
