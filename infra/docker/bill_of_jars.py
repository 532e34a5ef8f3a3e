"""At the build of an image: add the jars of an engine, if there are any, to the bill of materials.

    python bill_of_jars.py BILL ENGINE_FOLDER

ENGINE_FOLDER/installed.json says what was fetched: {"artifacts": {"group:name:jar:version": sha256}}.
"""

import json
import sys
from pathlib import Path


def component(coordinates: str, sha256: str) -> dict:
    group, name, packaging, version = coordinates.split(":")
    purl = f"pkg:maven/{group}/{name}@{version}?type={packaging}"
    hashes = [{"alg": "SHA-256", "content": sha256}]
    told = {"type": "library", "group": group, "name": name, "version": version, "purl": purl, "bom-ref": purl}
    return {**told, "hashes": hashes}


def main(bill: Path, installed: Path) -> None:
    if not installed.exists():
        return
    found = json.loads(bill.read_text())
    artifacts = json.loads(installed.read_text())["artifacts"]
    found["components"] += [component(*each) for each in sorted(artifacts.items())]
    bill.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) / "installed.json")
