"""A server without HTTP, to be killed: `python serving.py FOLDER` works off the queue until nothing is left."""

import sys
import time
from pathlib import Path

from inkbloom.apps.service import DataFolder, Service

if __name__ == "__main__":
    folder = DataFolder(Path(sys.argv[1]))
    with folder.lock():
        service = Service(folder, None, devices=["cpu"])
        service.start()
        while service.queue()["running"] or service.queue()["waiting"]:
            time.sleep(0.05)
        service.close()
