"""Load tests that know their own error: stamped readers, mergeable histograms, calibration, objectives.

Only `users`, `arrivals`, `plugin` and `run` import Locust, which patches the standard library when it is imported.
"""
