"""``jobrunr worker --processes``: servers as child processes, and a small process that looks after them and runs no jobs.

A child is a server like any other: it registers, sends its heartbeats and holds its lock itself. Besides, it tells its
supervisor several times a second that it lives. One that cannot, because a job keeps Python's interpreter lock, is spoken
for: the supervisor sends its heartbeats. The end of a child is noticed at once; the supervisor notes how it ended, removes
it, and starts another.
"""
