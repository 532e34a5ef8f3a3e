"""At the build of Spark's image: fetch the pinned jars into FOLDER/jars, beside the log store for Delta.

    python spark_jars.py FOLDER

OPS_MAVEN_URL names a Maven repository; without it, mvn fetches.
"""

import shutil
import sys
from pathlib import Path

from control_room.engines import catalogue, install

LOG_STORE = Path(catalogue.__file__).parent / "logstore"


def main(folder: Path) -> None:
    [spark] = catalogue.chosen(["spark"])
    home = install.install(spark, lambda *_: None, folder=Path("/build/engines"))
    shutil.copytree(home / "jars", folder / "jars")
    shutil.copy(home / catalogue.INSTALLED_FILE, folder)
    for jar in LOG_STORE.glob("*.jar"):
        shutil.copy(jar, folder / "jars")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
