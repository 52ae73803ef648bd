"""Published models by name: sources, downloads, verification and locks."""
