from hypothesis import HealthCheck, settings

# No example is judged by how fast a busy machine ran it.
settings.register_profile("foldstack", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("foldstack")
