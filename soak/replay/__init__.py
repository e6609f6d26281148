"""The replay of an arm that leaks: after the verdict it lives once more, instrumented, under the same requests.

It is no evidence: neither verdict nor exit code depends on it.
"""
