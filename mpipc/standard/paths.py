"""Paths -> Text. A file name that is no UTF-8 cannot travel."""

from __future__ import annotations

from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from mpipc import hooks


def build_path(value: PurePath) -> str:
    return value.__fspath__()


def read_path(text: str) -> Path:
    return Path(text)


def read_pure_path(text: str) -> PurePath:
    return PurePath(text)


def read_posix_path(text: str) -> PurePosixPath:
    return PurePosixPath(text)


def read_windows_path(text: str) -> PureWindowsPath:
    return PureWindowsPath(text)


hooks.register(Path, wire=str, build=build_path, read=read_path)
hooks.register(PurePath, wire=str, build=build_path, read=read_pure_path)
hooks.register(PurePosixPath, wire=str, build=build_path, read=read_posix_path)
hooks.register(PureWindowsPath, wire=str, build=build_path, read=read_windows_path)
