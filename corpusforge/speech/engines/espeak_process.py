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
        texts: One after another, each with whether it is bracketed phoneme mnemonics.
        wpm: Words a minute.
        pitch, pitch_range: On espeak's scale, 0 to 99.
        word_gap: Pause between words in 10 ms.
    """

    voice: str
    texts: tuple[tuple[str, bool], ...]
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
        self._asked: tuple[Request, float, float] | None = None
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
            _, _, status, self.sample_rate = self._reply(time.monotonic() + START_UP)
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

    def speak(self, request: Request, seconds: float) -> list[bytes]:
        """`send` and `receive` in one."""
        self.send(request, seconds)
        return self.receive()

    def send(self, request: Request, seconds: float) -> None:
        """Have a request spoken within `seconds`. One at a time: `receive` what was sent before sending more.

        Raises:
            Killed: The program has been ended from outside.
        """
        assert self._asked is None, "a request is still being spoken"
        kinds = (program.TEXT, program.PHONEMES)
        body = b"".join(kinds[phonemes] + text.replace("\0", " ").encode() + b"\0" for text, phonemes in request.texts)
        wanted = (request.wpm, request.pitch, request.pitch_range, request.word_gap)
        prosody = [program.VOICES_OWN if value is None else value for value in wanted]
        self._number += 1
        head = program.REQUEST.pack(self._number, seconds, *prosody, LARGEST, len(request.texts), len(body))
        self._asked = request, seconds, time.monotonic() + seconds + GRACE
        try:
            self._socket.settimeout(seconds + GRACE)
            self._socket.sendall(head + body)
        except OSError:
            self.close()
            raise Killed(_about(request, "was ended from outside")) from None

    def receive(self) -> list[bytes]:
        """The samples of each text that was sent, int16 in native byte order.

        Raises:
            EspeakError: A crash, a hang, or espeak's refusal; `closed` says whether the program has ended too.
            Killed: The child was ended from outside, which says nothing about the request.
        """
        assert self._asked is not None, "nothing was sent"
        (request, seconds, until), self._asked = self._asked, None
        try:
            while True:
                number, pid, status, value = self._reply(until)
                if number == self._number:
                    self._answered = pid
                    break
                if number == 0 and pid != self._answered:  # else the news is of a child that had already answered
                    break
        except TimeoutError:
            self.close()
            raise EspeakError(_about(request, f"gave no answer for {seconds + GRACE:g} s")) from None
        except OSError:
            self.close()
            raise Killed(_about(request, "was ended from outside")) from None
        if status == 0:
            return self._take(value, len(request.texts))
        if status == signal.SIGALRM:
            raise EspeakError(_about(request, f"hung: no end after {seconds:g} s"))
        if status in _OWN_DOING:
            raise EspeakError(_about(request, f"crashed with {signal.Signals(status).name}"))
        if status == program.TOO_LONG:
            raise EspeakError(_about(request, "ran away: more than an hour of audio"))
        if status == program.CANNOT_WRITE:
            raise EspeakError(_about(request, f"could not write its samples: {os.strerror(value)}"))
        if status == program.REFUSED:
            raise EspeakError(_about(request, f"refused with error {value:#x}"))
        self.close()  # ended while it was reading, perhaps: what is left in the socket cannot be trusted
        if status == program.EXITED:
            raise EspeakError(_about(request, f"ended with exit status {value}"))
        raise Killed(_about(request, f"was ended by {_signal_name(status)}"))

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

    def _reply(self, until: float) -> tuple[int, int, int, int]:
        parts = b""
        while len(parts) < program.REPLY.size:
            self._socket.settimeout(max(0.001, until - time.monotonic()))
            part = self._socket.recv(program.REPLY.size - len(parts))
            if not part:
                raise ConnectionResetError("it ended at once")
            parts += part
        number, pid, status, value = program.REPLY.unpack(parts)
        return number, pid, status, value

    def _take(self, size: int, count: int) -> list[bytes]:
        """`count` clips out of the sample file, which holds `size` bytes of samples and then the clips' ends."""
        clips = []
        start = 0
        for (end,) in program.END.iter_unpack(self._read(count * program.END.size, size)):
            clips.append(self._read(end - start, start))
            start = end
        if size > KEPT:
            os.ftruncate(self._samples, 0)
        return clips

    def _read(self, size: int, start: int) -> bytes:
        parts: list[bytes] = []
        found = 0
        while found < size:
            part = os.pread(self._samples, size - found, start + found)
            if not part:
                self.close()
                raise EspeakError(f"espeak-ng with voice '{self.voice}' announced more samples than it wrote")
            parts.append(part)
            found += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Killed(EspeakError):
    """A child or the program was ended from outside (out of memory, an operator): worth another try."""


def _anonymous_file() -> int:
    """A descriptor of a file without a name: in memory where the system has such files, else unlinked on disk."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("corpusforge-espeak")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


def _about(request: Request, what: str) -> str:
    content = " ".join(text for text, _ in request.texts)
    shown = content if len(content) <= 60 else content[:60] + "…"
    return f"espeak-ng with voice '{request.voice}' {what}, reading: {shown}"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
