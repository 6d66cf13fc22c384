"""Which system calls a process can make: Linux's seccomp (seccomp(2)), as a filter in BPF. Imported
by the launcher: the standard library alone.

libseccomp would know the numbers of system calls; but an older one skips those that it does not
know, so that they would be allowed. Here the tables are complete up to `_LAST`, and what is newer
does not exist for the process.

The filter is a list of what is refused, since what a Python program needs is most of the rest. What
is refused: to look into or disturb other processes, to administer the machine, to make namespaces,
to change what files look like (Landlock does not prevent it), and ways around this very filter.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
from struct import pack

_LAST = 468  # file_getattr of Linux 6.17

# Number on x86-64 and on arm64, None where there is no such system call. Those above 423 have the
# same number everywhere.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    # memory and messages that are shared by names
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # what files look like
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # the machine
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "settimeofday": (164, 170),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "ioperm": (173, None),
    "iopl": (172, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "uselib": (134, None),
    "vhangup": (153, 58),
    "_sysctl": (156, None),
    # large interfaces of the kernel, and ways around a filter
    "bpf": (321, 280),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
CHECKED: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "fcntl": (72, 25),
    "fork": (57, None),
    "vfork": (58, None),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "pidfd_send_signal": (424, 424),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "sched_setaffinity": (203, 122),
    "sendmmsg": (307, 269),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "truncate": (76, 45),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_KILL = 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where they are in struct seccomp_data
_ALL = 0xFFFFFFFF
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_EQUAL, _GREATER = 0x15, 0x25

_CLONE_THREAD = 0x10000
_CLONE_NAMESPACES = 0x7E020000
_FASTOPEN = 0x20000000  # of sendto and its like: connects on the way
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FIOSETOWN, _SIOCSPGRP, _F_SETOWN, _F_SETOWN_EX = 0x8901, 0x8902, 8, 15
_PR_SET_PDEATHSIG = 1

_SET_SECCOMP, _FILTER = 22, 2


def supported() -> bool:
    """Whether there is a table for this machine."""
    return platform.machine() in _ARCHITECTURES


class Filter:
    """A filter that is written down instruction by instruction, for `enforce`."""

    def __init__(self) -> None:
        self._column, architecture = _ARCHITECTURES[platform.machine()]
        self._code: list[bytes] = [
            _instruction(_LOAD, _ARCHITECTURE),
            _instruction(_EQUAL, architecture, 1, 0),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _NUMBER),
            # Also those of the 32-bit ABI of x86-64, which start at 1 << 30.
            _instruction(_GREATER, _LAST, 0, 1),
            _failing(errno.ENOSYS),
        ]
        for name in REFUSED:
            self.refuse(name)

    def refuse(self, name: str, error: int = errno.EPERM) -> None:
        """Have a system call fail."""
        self._decide(name, [_failing(error)])

    def check(self, name: str, argument: int, mask: int, expected: int) -> None:
        """Have a system call fail unless these bits of an argument, in its lower half, are as
        expected."""
        code = [
            *_masked(argument, mask),
            _instruction(_EQUAL, expected, 1, 0),
            _failing(errno.EPERM),
            _ALLOWING,
        ]
        self._decide(name, code)

    def check_not(self, name: str, argument: int, *refused: int) -> None:
        """Have a system call fail when an argument is one of these."""
        code = [_instruction(_LOAD, _ARGUMENTS + 8 * argument)]
        for each in refused:
            code += [_instruction(_EQUAL, each, 0, 1), _failing(errno.EPERM)]
        self._decide(name, [*code, _ALLOWING])

    def sockets(self, *, unix: bool, tcp: bool) -> None:
        """Which sockets can be made; pairs of connected streams always can."""
        if not unix:
            # A datagram socket of a pair could be connected to any other.
            pairs = [
                *_masked(0, _ALL),
                _instruction(_EQUAL, socket.AF_UNIX, 1, 0),
                _failing(errno.EPERM),
                *_masked(1, 0xF),
                _instruction(_EQUAL, socket.SOCK_STREAM, 1, 0),
                _failing(errno.EPERM),
                _ALLOWING,
            ]
            self._decide("socketpair", pairs)
        code = [_instruction(_LOAD, _ARGUMENTS)]
        if unix:
            code += [_instruction(_EQUAL, socket.AF_UNIX, 0, 1), _ALLOWING]
        if tcp:
            # Plain TCP alone: Landlock knows of no ports of other protocols.
            code += [
                _instruction(_EQUAL, socket.AF_INET, 2, 0),
                _instruction(_EQUAL, socket.AF_INET6, 1, 0),
                _failing(errno.EPERM),
                *_masked(1, 0xF),
                _instruction(_EQUAL, socket.SOCK_STREAM, 1, 0),
                _failing(errno.EPERM),
                *_masked(2, _ALL),
                _instruction(_EQUAL, 0, 2, 0),
                _instruction(_EQUAL, socket.IPPROTO_TCP, 1, 0),
                _failing(errno.EPERM),
                _ALLOWING,
            ]
            # They could connect on the way, without asking Landlock for the port.
            for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
                self.check(name, flags, _FASTOPEN, 0)
        self._decide("socket", [*code, _failing(errno.EPERM)])

    def processes(self, *, allowed: bool) -> None:
        """Threads always, processes if they are allowed; namespaces never."""
        # The flags of clone3 cannot be looked at; C libraries then use clone.
        self.refuse("clone3", errno.ENOSYS)
        if allowed:
            self.check("clone", 0, _CLONE_NAMESPACES, 0)
            return
        self.refuse("fork")
        self.refuse("vfork")
        self.check("clone", 0, _CLONE_NAMESPACES | _CLONE_THREAD, _CLONE_THREAD)

    def own_signals(self, pid: int) -> None:
        """Signals to this process alone, where Landlock knows nothing of signals."""
        for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            self.check(name, 0, _ALL, pid)
        self.refuse("tkill")
        self.refuse("pidfd_send_signal")

    def own_limits(self) -> None:
        """What can be set for this process, and not for others."""
        self.check("prlimit64", 0, _ALL, 0)
        self.check("sched_setaffinity", 0, _ALL, 0)

    def own_ways(self) -> None:
        """Nothing that reaches others by way of a descriptor: no words are put into a terminal's
        mouth, nobody is sent signals when there is input. And it ends with its parent, if it was
        told so."""
        self.check_not("ioctl", 1, _TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP)
        self.check_not("fcntl", 1, _F_SETOWN, _F_SETOWN_EX)
        self.check_not("prctl", 0, _PR_SET_PDEATHSIG)

    def _decide(self, name: str, code: list[bytes]) -> None:
        """Have instructions, which end with a decision, decide about a system call."""
        number = (REFUSED.get(name) or CHECKED[name])[self._column]
        if number is not None:
            self._code += [_instruction(_EQUAL, number, 0, len(code)), *code]

    def enforce(self) -> None:
        """From now on, for this process and its children. Raises OSError."""
        code = ctypes.create_string_buffer(b"".join([*self._code, _ALLOWING]))
        program = pack("@HP", len(self._code) + 1, ctypes.addressof(code))
        if ctypes.CDLL(None, use_errno=True).prctl(_SET_SECCOMP, _FILTER, program, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp cannot be used")


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return pack("=HBBI", code, if_true, if_false, operand)


def _failing(error: int) -> bytes:
    return _instruction(_RETURN, 0x00050000 | error)


def _masked(argument: int, mask: int) -> list[bytes]:
    return [_instruction(_LOAD, _ARGUMENTS + 8 * argument), _instruction(_AND, mask)]


_ALLOWING = _instruction(_RETURN, 0x7FFF0000)
