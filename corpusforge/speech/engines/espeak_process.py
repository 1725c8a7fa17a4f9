"""The worker's end of `espeak_worker`: starts it, asks it, and tells a crash, a hang and an outside kill apart."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from corpusforge.errors import CorpusforgeError, MissingDependency
from corpusforge.speech.engines import espeak_worker as program

START_UP = 30.0
"""Seconds that loading the library and a voice may take; 0.03 on an idle machine."""

GRACE = 2.0
"""Seconds past a request's own limit after which the whole program is taken for dead."""

LARGEST = 2 * 22050 * 3600
"""Bytes of samples, an hour, after which one request is taken for a runaway."""

KEPT = 1 << 23
"""Bytes of the sample file that are kept for the next request."""

FLAG_UTF8 = 1
FLAG_PHONEMES = 0x100

_OWN_DOING = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class EspeakError(CorpusforgeError):
    """espeak-ng crashed, hung or refused. The engine goes on with the next utterance."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Where libespeak-ng and its data are."""

    library: str
    data: str


@dataclass(frozen=True, slots=True)
class Request:
    """What one child says. None leaves the voice's own value.

    Attributes:
        voice: Who says it.
        content: Text, or bracketed phoneme mnemonics.
        phonemes: Whether `content` holds mnemonics.
        wpm: Words a minute.
        pitch, pitch_range: On espeak's scale, 0 to 99.
        word_gap: Pause between words in 10 ms.
    """

    voice: str
    content: str
    phonemes: bool = False
    wpm: int | None = None
    pitch: int | None = None
    pitch_range: int | None = None
    word_gap: int | None = None


class VoiceProcess:
    """A running `espeak_worker` with one voice.

    Raises:
        MissingDependency: The library cannot be loaded.
        EspeakError: It does not know the voice, or did not start.
    """

    def __init__(self, installed: Installed, voice: str) -> None:
        self.voice = voice
        self._number = 0
        self._answered = 0
        self._samples = _anonymous_file()
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = [str(theirs.fileno()), str(self._samples), installed.library, installed.data, voice]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(program.__file__)), *arguments],
                pass_fds=[theirs.fileno(), self._samples],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._socket = ours
        try:
            _, _, status, self.sample_rate = self._receive(time.monotonic() + START_UP)
        except (TimeoutError, OSError) as error:
            self.close()
            raise EspeakError(f"the espeak-ng program for voice '{voice}' did not start: {error}") from error
        if status != program.READY:
            self.close()
            if status == program.NO_VOICE and self.sample_rate > 0:
                raise EspeakError(f"espeak-ng does not know the voice '{voice}'")
            raise MissingDependency(
                f"{installed.library} cannot be used with {installed.data}; "
                "install it again: pip install --force-reinstall 'corpusforge[espeak]'"
            )

    def speak(self, request: Request, seconds: float) -> bytes:
        """The samples of one request, int16 in native byte order.

        Raises:
            EspeakError: A crash, a hang, or espeak's refusal; `broken` says whether the program can go on.
            Killed: The child was ended from outside, which says nothing about the request.
        """
        text = request.content.replace("\0", " ").encode()
        flags = FLAG_UTF8 | (FLAG_PHONEMES if request.phonemes else 0)
        wanted = (request.wpm, request.pitch, request.pitch_range, request.word_gap)
        prosody = [program.VOICES_OWN if value is None else value for value in wanted]
        self._number += 1
        head = program.REQUEST.pack(self._number, seconds, *prosody, flags, LARGEST, len(text))
        until = time.monotonic() + seconds + GRACE
        try:
            self._socket.settimeout(seconds + GRACE)
            self._socket.sendall(head + text)
            while True:
                number, pid, status, value = self._receive(until)
                if number == self._number:
                    self._answered = pid
                    break
                if number == 0 and pid != self._answered:  # else the news is of a child that had already answered
                    break
        except TimeoutError:
            self.close()
            raise EspeakError(self._about(request, f"gave no answer for {seconds + GRACE:g} s")) from None
        except OSError:
            self.close()
            raise Killed(self._about(request, "was ended from outside")) from None
        if status == 0:
            return self._take(value)
        if status == signal.SIGALRM:
            raise EspeakError(self._about(request, f"hung: no end after {seconds:g} s"))
        if status in _OWN_DOING:
            raise EspeakError(self._about(request, f"crashed with {signal.Signals(status).name}"))
        if status == program.TOO_LONG:
            raise EspeakError(self._about(request, "ran away: more than an hour of audio"))
        if status == program.CANNOT_WRITE:
            raise EspeakError(self._about(request, f"could not write its samples: {os.strerror(value)}"))
        if status == program.REFUSED:
            raise EspeakError(self._about(request, f"refused with error {value:#x}"))
        self.close()  # ended while it was reading, perhaps: what is left in the socket cannot be trusted
        if status == program.EXITED:
            raise EspeakError(self._about(request, f"ended with exit status {value}"))
        raise Killed(self._about(request, f"was ended by {_signal_name(status)}"))

    @property
    def pid(self) -> int:
        """Of the program, the parent of those who speak."""
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Whether it has been ended; a new one is needed then."""
        return self._samples < 0

    def close(self) -> None:
        """End the program and all its children."""
        if self.closed:
            return
        self._socket.close()  # the parent sees it, ends its child, and then itself
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._samples)
        self._samples = -1

    def disown(self) -> None:
        """Let go of it without ending it: for a forked process that has inherited it."""
        self._socket.close()
        os.close(self._samples)
        self._samples = -1
        self._process.returncode = 0  # not this process's child: do not wait for it

    def _receive(self, until: float) -> tuple[int, int, int, int]:
        parts = b""
        while len(parts) < program.REPLY.size:
            self._socket.settimeout(max(0.001, until - time.monotonic()))
            part = self._socket.recv(program.REPLY.size - len(parts))
            if not part:
                raise ConnectionResetError("it ended at once")
            parts += part
        number, pid, status, value = program.REPLY.unpack(parts)
        return number, pid, status, value

    def _take(self, size: int) -> bytes:
        parts = []
        start = 0
        while start < size:
            part = os.pread(self._samples, size - start, start)
            if not part:
                self.close()
                raise EspeakError(f"espeak-ng with voice '{self.voice}' announced {size} bytes and wrote {start}")
            parts.append(part)
            start += len(part)
        if size > KEPT:
            os.ftruncate(self._samples, 0)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _about(self, request: Request, what: str) -> str:
        content = request.content
        shown = content if len(content) <= 60 else content[:60] + "…"
        return f"espeak-ng with voice '{self.voice}' {what}, reading: {shown}"


class Killed(EspeakError):
    """A child or the program was ended from outside (out of memory, an operator): worth another try."""


def _anonymous_file() -> int:
    """A descriptor of a file without a name: in memory where the system has such files, else unlinked on disk."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("corpusforge-espeak")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
