"""Child processes of a server in which jobs run that want one (``execution="process"``).

A child is a Python of its own that is told over a connection what to call, and tells what comes of it. It has no storage and
no filters, and decides nothing: all of that stays in the server.
"""
