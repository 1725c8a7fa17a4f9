"""The program that holds libespeak-ng: one voice, one utterance a process. Run by `espeak_process`, never imported.

libespeak-ng cannot be used safely inside a process that has other work. Its state leaks from one utterance into the
next, so the bytes depend on what was said before; its noise is seeded with the time of day; and a bad input ends the
process (its Burmese voice overruns a buffer). It is GPL-3 too, so it stays in a program of its own, behind a pipe.

    worker ──socket──► parent: library loaded, voice set, has never spoken
                          └─fork─► child: waits for one request, speaks it, answers, ends

The parent always has one child waiting, forked before the request comes, so that forking costs no time that anyone
waits for. Every request, all that one voice says of a sentence, is the first thing its process says, so order and
history cannot show in the bytes; a crash or a hang takes one child with it, and the parent forks the next one.

The child writes its samples to a file that both sides hold (no size limit, nothing to copy twice, and a child that dies
while writing cannot garble a message), and answers on the socket.

Started with `-I -S` and importing next to nothing: what the parent has in memory is what every fork has to copy.

Arguments: socket, sample file (descriptors), library, data folder, voice.
Messages are in native byte order, see `REQUEST` and `REPLY`.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import signal
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is not imported here: it would be in every fork
    from typing import NoReturn

REQUEST = struct.Struct("=QdiiiiqII")
"""Number of the request, seconds allowed, words a minute, pitch and its range (0 to 99), word gap (10 ms), bytes of
samples allowed, number of texts, bytes of UTF-8 that follow: each text with its kind before it and a zero after it."""

TEXT, PHONEMES = b"T", b"P"
"""Kinds of text: words, or bracketed phoneme mnemonics."""

VOICES_OWN = -1
"""For words a minute, pitch, range and gap: do not touch it."""

REPLY = struct.Struct("=Qiiq")
"""Number of the request (0 in what the parent says), pid of the child, status, bytes of samples. After the samples the
file holds where those of each text end, in bytes, as `END`. Status: 0, or the signal that ended the child, or one of
the numbers below."""

END = struct.Struct("=q")

READY = 1000
"""From the parent, once: the voice is loaded; the last value is the sample rate."""
NO_LIBRARY = 1001
NO_VOICE = 1002
REFUSED = 1003
"""espeak_Synth returned an error, the last value."""
TOO_LONG = 1004
"""More samples than allowed."""
CANNOT_WRITE = 1005
"""The sample file is full; the last value is the errno."""
EXITED = 1006
"""The child ended by itself without an answer; the last value is its exit status."""

HUNG_UP = 77
"""Exit status of a child whose worker is gone."""

BUFFER_MS = 200
"""Samples that espeak hands over at a time. Its queue of commands drains while it fills the buffer, and what it smooths
between phonemes depends on how far: from about 3 s on the sound changes. Up to 1 s it is that of espeak's 60 ms."""
NOISE_SEED = 1
SYNCHRONOUS = 2
DONT_EXIT = 0x8000
RATE, PITCH, RANGE, WORD_GAP = 1, 3, 4, 7
POSITION_IN_CHARACTERS = 1
UTF8, HAS_PHONEMES = 1, 0x100
PR_SET_PDEATHSIG = 1


class Voice:
    """libespeak-ng with one voice set, its samples going to `samples`, a file descriptor."""

    def __init__(self, library: str, data: str, voice: str, samples: int) -> None:
        lib = self.lib = ctypes.CDLL(library)
        lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        lib.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        lib.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        lib.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int]
        lib.espeak_Synth.argtypes += [ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
        self.rate = lib.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, os.fsencode(data), DONT_EXIT)
        self.found = self.rate > 0 and lib.espeak_SetVoiceByName(voice.encode()) == 0
        lib.espeak_ng_SetRandSeed(NOISE_SEED)

        self.libc = ctypes.CDLL(None, use_errno=True)
        write = self.libc.pwrite
        write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
        write.restype = ctypes.c_ssize_t
        self.samples, self.size, self.allowed = samples, 0, 0
        self.problem: tuple[int, int] | None = None

        def take(wave: int | None, count: int, events: int | None) -> int:
            size = 2 * count
            if not wave or size <= 0:
                return 0
            if self.size + size > self.allowed:
                self.problem = (TOO_LONG, 0)
                return 1
            while size:
                done = write(samples, wave, size, self.size)
                if done < 0:
                    self.problem = (CANNOT_WRITE, ctypes.get_errno())
                    return 1
                wave, size, self.size = wave + done, size - done, self.size + done
            return 0

        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self.take = kind(take)
        lib.espeak_SetSynthCallback(self.take)

    def speak(self, texts: list[bytes], prosody: tuple[int, ...], allowed: int) -> tuple[int, int]:
        """Status and value of a reply."""
        for number, value in zip((RATE, PITCH, RANGE, WORD_GAP), prosody, strict=True):
            if value != VOICES_OWN:
                self.lib.espeak_SetParameter(number, value, 0)
        self.allowed = allowed
        ends = b""
        for text in texts:
            flags = UTF8 | (HAS_PHONEMES if text[:1] == PHONEMES else 0)
            error = self.lib.espeak_Synth(text[1:], len(text), 0, POSITION_IN_CHARACTERS, 0, flags, None, None)
            if self.problem:
                return self.problem
            if error:
                return REFUSED, error
            ends += END.pack(self.size)
        os.pwrite(self.samples, ends, self.size)
        return 0, self.size


def receive(sock: int, size: int) -> bytes | None:
    """Exactly `size` bytes, or None if the other end has hung up."""
    parts = []
    while size:
        part = os.read(sock, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def child(voice: Voice, sock: int, parent: int) -> NoReturn:
    """Speak one request and end."""
    status = HUNG_UP
    try:
        if sys.platform == "linux":
            voice.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(HUNG_UP)
        head = receive(sock, REQUEST.size)
        if head is not None:
            number, seconds, *prosody, allowed, count, size = REQUEST.unpack(head)
            body = receive(sock, size)
            if body is not None:
                signal.setitimer(signal.ITIMER_REAL, seconds)  # nothing handles SIGALRM: it ends the process
                answer = voice.speak(body.split(b"\0", count)[:count], tuple(prosody), allowed)
                signal.setitimer(signal.ITIMER_REAL, 0)
                os.write(sock, REPLY.pack(number, os.getpid(), *answer))
                status = 0
    except (BrokenPipeError, ConnectionResetError):
        status = HUNG_UP
    except BaseException:
        status = 1
    os._exit(status)


def serve(voice: Voice, sock: int) -> None:
    """Keep one child waiting until the worker hangs up."""
    parent = os.getpid()
    while True:
        alive, ours = os.pipe()  # the child holds the other end as long as it lives
        pid = os.fork()
        if pid == 0:
            os.close(alive)
            child(voice, sock, parent)
        os.close(ours)
        poll = select.poll()
        poll.register(alive, 0)
        poll.register(sock, 0)
        if any(found == sock for found, _ in poll.poll()):
            os.kill(pid, signal.SIGKILL)
            return
        os.close(alive)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == HUNG_UP:
            return
        if status:
            code, value = (-status, 0) if status < 0 else (EXITED, status)
            os.write(sock, REPLY.pack(0, pid, code, value))


def main(sock: int, samples: int, library: str, data: str, name: str) -> None:
    """Load the voice, say so, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle; it hangs up
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        voice = Voice(library, data, name, samples)
        status, rate = READY if voice.found else NO_VOICE, voice.rate
    except (OSError, AttributeError):
        status, rate = NO_LIBRARY, 0
    os.write(sock, REPLY.pack(0, os.getpid(), status, rate))
    if status != READY:
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        serve(voice, sock)
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
