"""From turns to a page, plots, and the raw figures."""
