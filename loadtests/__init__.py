"""Load tests that know the client's own error: stamped readers, mergeable histograms, calibration, objectives.

Only `users`, `shapes`, `locust_run`, `worker_registry`, `worker_processes`, `worker`, `headless_run` and the locustfile
import Locust, which patches the standard library when it is imported.
"""
