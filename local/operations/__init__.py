"""What a person does to a running service, on AWS or on the laptop: events, projections, restores."""
