"""OpenAI's package for Python against a running server: pictures, a stream, an edit, files, clips.

    python -m venv /tmp/openai && /tmp/openai/bin/pip install openai pillow
    ./mfm serve --port 8088 &
    /tmp/openai/bin/python bench/server/openai_package.py http://127.0.0.1:8088
"""

import base64
import io
import sys
import time

from openai import BadRequestError, NotFoundError, OpenAI
from PIL import Image, ImageDraw

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="any", max_retries=0)
few = {"num_inference_steps": 12}


def picture(b64):
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return ("picture.png", file.getvalue(), "image/png")


assert [model.id for model in client.models.list()] == ["mfm-mini"]
made = client.images.generate(prompt="a red cube", n=2, extra_body=few)
photo = picture(made.data[0].b64_json)
assert photo.size == (64, 64)
print("generate: ok")

events = list(client.images.generate(prompt="a red cube", stream=True, partial_images=2, extra_body=few))
assert events[-1].type == "image_generation.completed", events[-1].type
assert all(event.type == "image_generation.partial_image" for event in events[:-1]) and len(events) > 1
assert all(picture(event.b64_json).size == (64, 64) for event in events)
print(f"stream: ok, {len(events) - 1} partial images")

mask = photo.convert("RGBA")
ImageDraw.Draw(mask).rectangle((20, 20, 43, 43), fill=(0, 0, 0, 0))
edited = picture(client.images.edit(image=png(photo), mask=png(mask), prompt="a blue sphere", extra_body=few).data[0].b64_json)
assert edited.getpixel((2, 2)) == photo.getpixel((2, 2))
assert edited.crop((20, 20, 44, 44)).tobytes() != photo.crop((20, 20, 44, 44)).tobytes()
print("edit with a mask: ok")

file = client.files.create(file=png(photo), purpose="vision")
assert file.id in [one.id for one in client.files.list()]
assert client.files.content(file.id).read() == png(photo)[1]
assert client.files.delete(file.id).deleted
print("files: ok")

video = client.videos.create(prompt="a red cube moves left", model="mfm-mini", extra_body=few)
assert video.status == "queued"
while video.status in ("queued", "in_progress"):
    time.sleep(0.1)
    video = client.videos.retrieve(video.id)
assert (video.status, video.progress, video.seconds) == ("completed", 100, "2.125"), video
assert client.videos.download_content(video.id).read()[4:8] == b"ftyp"
polled = client.videos.create_and_poll(prompt="it moves", model="mfm-mini", input_reference=png(photo), extra_body=few)
assert polled.status == "completed"
assert {video.id, polled.id} <= {one.id for one in client.videos.list(limit=1)}
for one in (video, polled):
    assert client.videos.delete(one.id).deleted
print("videos: ok")

for bad, kind in ((lambda: client.images.generate(prompt="x", size="9x"), BadRequestError), (lambda: client.videos.retrieve(video.id), NotFoundError)):
    try:
        bad()
        raise AssertionError("must be refused")
    except kind as error:
        assert error.body["message"], error
print("errors: ok")
