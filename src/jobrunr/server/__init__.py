"""Runs jobs: `BackgroundJobServer` and its services.

`fetcher` claims jobs and hands them to `workers`, which run them through `performer`; `recorder` writes what became of them.
`membership` keeps the server alive in the eyes of the others and knows the master; `cancellation` notices jobs that were
taken away. The duties of the master are in `duties`. Each is a `tick` that says when it wants to run next; `service` owns
the threads.
"""
