"""The dashboard: a Starlette application over one `JobRunr`. Made by `JobRunr.dashboard` and ``jobrunr dashboard``."""
