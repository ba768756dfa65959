"""What the arm64 image holds, and a QEMU that runs it on a machine with another processor.

The packages are unpacked by the commands of the Dockerfile, from wheels with the digests in
``docker/requirements.txt``. AWS's base image is not needed: Python is Debian's build of the same
minor version. Debian's C library is newer, so ``find_symbol_versions`` tells what packages need.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from inference.errors import TextClassifierError
from inference.local.checkout import ROOT
from operations.image import find_base

DOCKERFILE = ROOT / "docker" / "Dockerfile"
REQUIREMENTS = ROOT / "docker" / "requirements.txt"
CACHE = ROOT / "build" / "arm64"
QEMU = "qemu-aarch64"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "trixie"  # the Debian release whose Python is that of the base image
GLIBC = 34  # Amazon Linux 2023, on which the base image is built, has glibc 2.34 ...
GLIBCXX = 29  # ... and the C++ library of GCC 11, GLIBCXX_3.4.29
# The base image brings boto3. It is pure Python, so that of this environment is as good.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
CPUS = "/sys/devices/system/cpu"  # Lambda's environments for arm64 do not have this folder
APT = """
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
"""
# QEMU would show the cores of this machine, which the library that reads this file cannot parse.
CPU_INFO = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc \
dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""


class UnavailableError(TextClassifierError):
    """This machine cannot emulate the image; the message says what it lacks."""


@dataclass(frozen=True)
class Arm64Image:
    """A folder with Python (``root``), the packages and the runtime of the image."""

    folder: Path

    @classmethod
    def install(cls) -> Self:
        """Download what the image holds, unless the cache has it.

        Raises:
            UnavailableError: A tool or the network is missing.
        """
        _require_tools()
        runtime = [str(source) for source in _find_runtime()]
        content = [python_version(), *read_steps(), REQUIREMENTS.read_text(), *runtime]
        digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
        folder = CACHE / digest
        if not folder.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                unfinished = Path(scratch) / digest
                _install_python(unfinished)
                _install_packages(unfinished)
                if not folder.exists():  # another process may have been faster
                    unfinished.rename(folder)
        return cls(folder)

    def run(
        self,
        code: str,
        *arguments: str | Path,
        cpu: str,
        hide_cpus: bool,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Run Python code in the image, on an emulated processor.

        Args:
            code: The code.
            arguments: Its ``sys.argv[1:]``.
            cpu: One of ``qemu-aarch64 -cpu help``. A Graviton2 has Neoverse N1 cores.
            hide_cpus: Whether the folder is missing that Lambda's environments do not have.
            environment: Variables to add.

        Raises:
            subprocess.CalledProcessError: The code failed.
        """
        root = self.folder / "root"
        python = root / "usr" / "bin" / f"python{python_version()}"
        command = [QEMU, "-cpu", cpu, "-L", root, python, "-c", code, *arguments]
        if hide_cpus:
            command = [*_hiding_cpus('exec "$@"'), "sh", *command]
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self.folder / 'packages'}:{self.folder / 'runtime'}",
            "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        run_quietly(command, variables | (environment or {}))

    def find_symbol_versions(self, library: str) -> set[int]:
        """Return the minor versions of the symbols that the packages need, as of ``GLIBC_2.``."""
        pattern = re.compile(rf"\0{re.escape(library)}(\d+)(?=[.\0])".encode())
        files = (self.folder / "packages").rglob("*.so*")
        found = (pattern.findall(file.read_bytes()) for file in files)
        return {int(version) for versions in found for version in versions}


def run_quietly(command: Sequence[str | Path], environment: dict[str, str]) -> None:
    """Run a command, whose output is shown only if it fails.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    done.check_returncode()


def python_version() -> str:
    """Return the Python of the base image, such as 3.13."""
    return find_base(ROOT).partition("@")[0].rpartition(":")[2]


def read_steps() -> list[str]:
    """Return what the Dockerfile runs: it unpacks the packages, prunes them and imports them."""
    steps = re.findall(r"^RUN ((?:.*\\\n)*.*)", DOCKERFILE.read_text(), re.MULTILINE)
    return [step.replace("\\\n", " ") for step in steps]


def _require_tools() -> None:
    if os.uname().machine == "aarch64":
        raise UnavailableError("this machine is arm64 itself: nothing needs to be emulated")
    for tool in (QEMU, "apt-get", "dpkg-deb", "unshare"):
        if not shutil.which(tool):
            raise UnavailableError(f"{tool} is not installed")
    if not KEYRING.exists():
        raise UnavailableError(f"{KEYRING} is missing: install debian-archive-keyring")
    probe = subprocess.run(_hiding_cpus("true"), capture_output=True, text=True, check=False)
    if probe.returncode:
        raise UnavailableError(f"this user may not mount a file system: {probe.stderr.strip()}")


def _hiding_cpus(then: str) -> list[str]:
    """Return a command that hides the processors from the rest of a shell script."""
    script = f"mount -t tmpfs tmpfs {CPUS} && {then}"
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", script]


def _find_mirror() -> str:
    """Return the address that this machine's apt has its own packages from.

    Raises:
        UnavailableError: It has none of Debian.
    """
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    for address in found:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise UnavailableError("the sources of this machine's apt have no address of Debian")


def _install_python(folder: Path) -> None:
    """Unpack Python and the libraries that it and the packages need, with apt's own settings."""
    apt = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "apt.conf").write_text(APT.format(folder=apt))
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_find_mirror()} {SUITE} main\n")
    environment = os.environ | {"APT_CONFIG": str(apt / "apt.conf")}
    update = ["apt-get", "-q", "update"]
    done = subprocess.run(update, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"Debian's packages cannot be reached: {done.stderr.strip()}")
    wanted = (f"python{python_version()}", "libstdc++6")
    download = ["apt-get", "-q", "-y", "--no-install-recommends", "--download-only", "install"]
    run_quietly([*download, *wanted], environment)
    root = folder / "root"
    for package in (apt / "cache" / "archives").glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    (root / "lib").symlink_to("usr/lib")  # as on every Debian; the loader is looked for there
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(CPU_INFO)
    shutil.rmtree(apt)


def _install_packages(folder: Path) -> None:
    """Unpack and prune the packages as the Dockerfile does, and put the code next to them."""
    unpack, prune = read_steps()[:2]
    platforms = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, GLIBC + 1))]
    options = f"--python-version {python_version()} --implementation cp --quiet " + " ".join(
        f"--platform {platform}_aarch64" for platform in platforms
    )
    shutil.copy(REQUIREMENTS, folder)
    pip = f"{sys.executable} -m {unpack} {options}"
    done = subprocess.run(
        ["sh", "-c", pip], cwd=folder, capture_output=True, text=True, check=False
    )
    if "connection" in done.stderr.lower() and done.returncode:
        raise UnavailableError(f"the Python package index cannot be reached: {done.stderr.strip()}")
    done.check_returncode()
    subprocess.run(["sh", "-c", prune], cwd=folder, check=True)
    (folder / "packages" / "inference").symlink_to(ROOT / "inference")
    (folder / "runtime").mkdir()
    for source in _find_runtime():
        (folder / "runtime" / source.name).symlink_to(source)


def _find_runtime() -> list[Path]:
    """Return the packages and modules of the runtime, as they are in this environment."""
    sources = []
    for name in RUNTIME:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise UnavailableError(f"{name} is not installed")
        origin = Path(found.origin)
        sources.append(origin.parent if origin.name == "__init__.py" else origin)
    return sources
