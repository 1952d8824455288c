"""Paid operations that go on when the call that started them has ended.

`JobRunner` runs them and lets calls wait, `JobStore` keeps what other processes need to know, `ForeignJobs` reads it
there, and `Report` is a job's result.
"""
