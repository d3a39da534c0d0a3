from hypothesis import HealthCheck, settings

# No example is judged by how fast a busy machine ran it; nor is a fixture made anew for each.
settings.register_profile(
    "erasure",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("erasure")
