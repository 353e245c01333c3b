"""What tests take from Maven's central repository: fetched once into build/, by Maven itself. Standard library only."""

import contextlib
import os
import shutil
import subprocess
import unittest

from hutong import SOURCE


class Unavailable(unittest.SkipTest):
    """What a story needs cannot be had on this machine; says why. A story that does not catch it is skipped."""


def jars(folder, name, artifacts):
    """The folder build/FOLDER/NAME with the jars of these artifacts and of what they need, fetched when it is not there yet.
    `artifacts`: "group:artifact:version"; with "!" behind it alone, without what it needs."""
    folder = SOURCE / "build" / folder
    libs = folder / name
    if libs.is_dir():
        return libs
    for program in ("java", "mvn"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed (deploy/install-packages.sh test)")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.xml").write_text(_pom(artifacts), encoding="utf-8")
    arriving = folder / f"arriving-{os.getpid()}"
    fetched = subprocess.run(["mvn", "-q", "-B", "-f", folder / f"{name}.xml", "dependency:copy-dependencies",
                              "-DincludeScope=runtime", f"-DoutputDirectory={arriving}"],
                             capture_output=True, text=True, timeout=600, check=False)
    if fetched.returncode != 0:
        shutil.rmtree(arriving, ignore_errors=True)
        raise Unavailable(f"{artifacts[0]} could not be fetched: {(fetched.stdout + fetched.stderr).strip()[-300:]}")
    with contextlib.suppress(OSError):  # another run was faster
        arriving.rename(libs)
    return libs


def _pom(artifacts):
    alone = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    needed = ""
    for artifact in artifacts:
        group, name, version = artifact.rstrip("!").split(":")
        needed += (f"    <dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
                   f"{alone if artifact.endswith('!') else ''}</dependency>\n")
    return f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hutong.tests</groupId><artifactId>fetched</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
{needed}  </dependencies>
</project>
"""
