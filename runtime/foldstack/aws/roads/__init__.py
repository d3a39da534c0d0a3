"""Where a relay publishes: a bus, a stream or a topic, each behind one small port."""
