"""One module a library: how it trains the nets, and how it predicts."""
