"""Video: what is read of a chunk, which frames of a set are seen, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sensorium.errors import PayloadError
from sensorium.plugin import Payload, Samples
from sensorium_plugins.modalities import VideoFrames

SECOND = 1_000_000_000

av = pytest.importorskip("av", reason="needs pip install 'sensorium[video]'")


def modality(**given):
    image = {"height": 16, "width": 16, "channels": 1, "max_pixels": 10_000}
    return VideoFrames(VideoFrames.Config.model_validate({"cnn": image, **given}))


def film(frames, rate=10, form="mp4"):
    """Frames that grow brighter, as a file."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as opened:
        stream = opened.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 32, 48, "yuv420p"
        for at in range(frames):
            pixels = np.full((48, 32, 3), 20 * at, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                opened.mux(packet)
        for packet in stream.encode():
            opened.mux(packet)
    return out.getvalue()


def item(*clips, start=0, end=0):
    times = np.array([time for time, _ in clips], np.int64)
    return Samples(times, np.zeros_like(times), [clip for _, clip in clips], start, end)


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_a_file_is_read_with_the_times_of_its_frames(form):
    clip = modality(frames=16).decode(Payload(film(10, form=form)))
    assert clip.frames.shape == (10, 16, 16, 1)
    np.testing.assert_allclose(clip.offsets, np.arange(10) * SECOND // 10, atol=2_000_000)
    assert clip.duration == pytest.approx(SECOND, rel=0.01)
    brightness = clip.frames.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(brightness, np.arange(10) * 20, atol=6)


def test_of_many_frames_some_are_kept_evenly_spread():
    clip = modality(frames=3).decode(Payload(film(9)))
    assert (clip.offsets // (SECOND // 10)).tolist() == [1, 4, 7]


def test_images_and_arrays_are_frames_at_the_rate_of_the_stream():
    frames = [np.full((8, 8), at, np.uint8) for at in range(4)]
    for data in (frames, np.stack(frames)):
        clip = modality(rate=4.0).decode(Payload(data))
        assert clip.offsets.tolist() == [at * SECOND // 4 for at in range(4)]
        assert clip.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
        assert modality(rate=4.0).duration(clip) == SECOND


def test_a_set_sees_the_frames_within_its_span_over_all_chunks():
    read = modality(frames=4, rate=2.0)
    clips = [read.decode(Payload(np.full((2, 8, 8), 10 * at, np.uint8))) for at in range(5)]
    chunks = [(at * SECOND, clip) for at, clip in enumerate(clips)]
    arrays = read.prepare(
        [item(*chunks, start=SECOND, end=2 * SECOND), item(*chunks, start=0, end=5 * SECOND)]
    )
    assert arrays["mask"].tolist() == [[True, True, False, False], [True] * 4]
    assert arrays["pixels"][0, :, 0, 0, 0].tolist() == [10, 10, 0, 0]
    assert arrays["pixels"][1, :, 0, 0, 0].tolist() == [0, 10, 30, 40]
    with pytest.raises(PayloadError, match="no frame in the span"):
        read.prepare([item(*chunks, start=90 * SECOND, end=91 * SECOND)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a..............", "no MP4 .* and no Matroska"),
        (film(3)[:100], "cannot be read|no video stream|no frame"),
        (film(12), "more than 10 frames"),
        (np.zeros((11, 8, 8), np.uint8), "has 11 frames; it must be 1 to 10"),
        (np.zeros((2, 101, 100), np.uint8), "`max_pixels` is 10000"),
        ([], "has 0 frames"),
        ([b"not an image"], "no JPEG or PNG"),
        ("film.mp4", "not str"),
    ],
)
def test_what_is_no_video_or_too_much_is_refused(data, message):
    with pytest.raises(PayloadError, match=message):
        modality(max_frames=10).decode(Payload(data))


def test_the_pixels_of_a_file_are_known_before_a_frame_is_decoded():
    small = {"height": 16, "width": 16, "max_pixels": 1000}
    with pytest.raises(PayloadError, match=r"has 1536 pixels a frame; .*`max_pixels` is 1000"):
        modality(cnn=small).decode(Payload(film(3)))


def test_two_networks_are_refused():
    with pytest.raises(ValueError, match="give one of cnn, resnet and vit"):
        modality(vit={})
