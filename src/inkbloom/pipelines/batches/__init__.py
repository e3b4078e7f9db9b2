"""Many pictures from one command: plots of settings, matrices of prompts, tables and folders of requests.

Each of them makes a list of jobs (`jobs.py`); a plan (`plan.py`) gives each picture its file and its whole request, and
is painted until every file is there, however often that was interrupted.
"""
