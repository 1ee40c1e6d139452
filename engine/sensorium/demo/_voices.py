"""Words spoken by eSpeak NG, a speech synthesiser, in many voices.

Its library and data come with the package espeakng-loader; it is called by ctypes, in this process.
eSpeak NG is under the GPL 3; it is not part of Sensorium, and only its sound is used.
"""

from __future__ import annotations

import ctypes
import importlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import MissingExtraError, RunError

__all__ = ["Speaker"]

_SYNCHRONOUS, _CHARACTERS, _UTF8 = 2, 1, 1
_RATE, _PITCH = 1, 3
_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Speaker:
    """Speaks. One at a time in a process: the library keeps its state to itself.

    Raises
    ------
    MissingExtraError
        If espeakng-loader is not installed.
    RunError
        If the library cannot be used.
    """

    def __init__(self) -> None:
        try:
            loader: Any = importlib.import_module("espeakng_loader")
        except ModuleNotFoundError as error:
            raise MissingExtraError("spoken digits", "espeakng-loader", "digits") from error
        self._parts: list[npt.NDArray[np.int16]] = []
        # Kept, for the library holds no reference of its own.
        self._callback = _CALLBACK(self._take)
        try:
            self._library = ctypes.CDLL(loader.get_library_path())
        except OSError as error:
            raise RunError(f"eSpeak NG cannot be loaded: {error}") from error
        data = Path(loader.get_data_path()).parent
        #: Samples per second.
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), 0))
        if self.rate <= 0:
            raise RunError(f"eSpeak NG does not find its data in {data}")
        self._library.espeak_SetSynthCallback(self._callback)
        # Whispers and breath are noise; without a seed it is another in every process.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(0))

    def say(self, text: str, voice: str, speed: int, pitch: int) -> npt.NDArray[np.float32]:
        """Speak a text.

        Parameters
        ----------
        text
            What to say.
        voice
            As ``en-us+f2``: a language, and one of the library's variants.
        speed, pitch
            Words a minute, from 80 to 450; from 0 to 99.

        Returns
        -------
        array of shape (samples,)
            From -1 to 1, at `rate` samples per second.

        Raises
        ------
        RunError
            If there is no such voice.
        """
        library = self._library
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RunError(f"eSpeak NG has no voice {voice!r}")
        library.espeak_SetParameter(_RATE, speed, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        self._parts = []
        said = text.encode()
        library.espeak_Synth(said, len(said) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
        library.espeak_Synchronize()
        if not self._parts:
            return np.zeros(0, np.float32)
        return np.concatenate(self._parts).astype(np.float32) / np.float32(32768)

    def _take(self, samples: Any, count: int, events: int | None) -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0
