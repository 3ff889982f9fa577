"""Keeps a Python process, its children and their libraries from the network, from a folder on PYTHONPATH.

Python code that makes an internet socket or asks for a name is written to the file that SDGASNET_NETWORK_RECORD
names, and gets an OSError. Native code, which Python can't see, is ended by the kernel when it makes an internet
socket (Linux on x86-64); a plain datagram socket, of which libuuid asks the network card's number for a UUID, it
just does not get. Unix sockets, which processes of one program talk through, stay allowed.
"""

import ctypes
import errno
import faulthandler
import os
import platform
import signal
import socket
import struct
import sys
import traceback

INTERNET = (socket.AF_INET, socket.AF_INET6)
NAME_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


def refuse_in_python(record):
    """Record every use of the internet and raise."""

    def hook(event, arguments):
        made = event == "socket.__new__" and arguments[1] in INTERNET
        if made or event in NAME_LOOKUPS:
            with open(record, "a", encoding="utf-8") as file:
                file.write(
                    f"{event} {arguments[1:]!r} by {sys.argv}\n{''.join(traceback.format_stack(limit=12))}\n"
                )
            raise PermissionError(f"the test allows no network: {event}")

    sys.addaudithook(hook)


def refuse_in_the_kernel():
    """End the process with SIGSYS when it makes an internet socket, whatever language asks for it."""
    load, jump_if_equal, give_back = 0x20, 0x15, 0x06
    allow, trap, refuse = 0x7FFF0000, 0x00030000, 0x00050000 | errno.EACCES
    number_at, machine_at, family_at, kind_at = 0, 4, 16, 24
    x86_64, make_socket = 0xC000003E, 41
    # (operation, steps to skip if equal, if not, operand)
    steps = (
        (load, 0, 0, machine_at),
        (jump_if_equal, 0, 5, x86_64),
        (load, 0, 0, number_at),
        (jump_if_equal, 0, 3, make_socket),
        (load, 0, 0, family_at),
        (jump_if_equal, 2, 0, socket.AF_INET),
        (jump_if_equal, 1, 0, socket.AF_INET6),
        (give_back, 0, 0, allow),
        (load, 0, 0, kind_at),
        (jump_if_equal, 0, 1, socket.SOCK_DGRAM),
        (give_back, 0, 0, refuse),
        (give_back, 0, 0, trap),
    )
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    content = ctypes.create_string_buffer(program)
    filter_of = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(content)))
    faulthandler.register(signal.SIGSYS, chain=True)  # says where, and lets the process end
    control = ctypes.CDLL(None, use_errno=True).prctl
    no_new_privileges, set_filter, by_program = 38, 22, 2
    control(no_new_privileges, 1, 0, 0, 0)
    if control(set_filter, by_program, ctypes.byref(filter_of), 0, 0):
        print("no kernel filter:", os.strerror(ctypes.get_errno()), file=sys.stderr)


if os.environ.get("SDGASNET_NETWORK_RECORD"):
    refuse_in_python(os.environ["SDGASNET_NETWORK_RECORD"])
    if sys.platform == "linux" and platform.machine() == "x86_64":
        refuse_in_the_kernel()
