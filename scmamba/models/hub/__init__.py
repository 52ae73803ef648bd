"""Published models by name: where they are, how they are fetched, checked and locked."""
