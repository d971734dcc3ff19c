"""``jobrunr demo``: real work on real input. It reads the standard library of the Python that runs it.

A job for every file counts what is in it; a job for every package reads its documentation; one last job, scheduled for the
end, makes a report of what the others found. An example of an application, too: it uses nothing but the public interface.
"""

from jobrunr.demo.jobs import Report
from jobrunr.demo.place import DemoError
from jobrunr.demo.run import Demo

__all__ = ["Demo", "DemoError", "Report"]
