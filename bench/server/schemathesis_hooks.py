"""What schemathesis cannot know: requests stay small, find something at their addresses, and streams end."""

import json
import os
import random
from collections import Counter

import requests
import schemathesis

KNOWN = json.loads(os.environ["MFM_KNOWN"])
DRAW = random.Random(1)

PICTURE = {"task": "t2i", "prompt": "a red cube"}
# requests that are made, to which random values are added: from the schemas alone hardly one comes to be
RIGHT = {
    "/v1/videos": PICTURE,
    "/v1/videos/sync": PICTURE,
    "/v1/plan": PICTURE,
    "/v1/videos/edits": {"prompt": "make it blue", "video": {"id": KNOWN["clip"]}},
    "/v1/videos/extensions": {"video": {"id": KNOWN["clip"]}, "num_frames": 9},
    "/v1/videos/{id}/remix": {},
    "/v1/images/generations": {"prompt": "a red cube"},
    "/v1/images/edits": {"prompt": "a blue cube", "images": [KNOWN["files"]]},
    "/v1/queue/reorder": {"ids": []},
}
# fields of which any value that the schema allows suits these requests
FREE = [
    *("seed", "negative_prompt", "added_prompt", "guidance_scale", "motion_score"),
    *("use_t_schedule", "cache_threshold", "metadata", "n", "response_format", "stream", "partial_images"),
    *("user", "quality", "style", "moderation", "input_fidelity"),
]
# how many of these of each route, as they take time
MOST = 40
made = Counter()

# what these did would be in the way of all that follow
UNDONE = {"/v1/queue/pause": "/v1/queue/resume"}


@schemathesis.hook
def before_call(ctx, case, kwargs):
    path = case.operation.path
    if case.method != "DELETE" and case.path_parameters and DRAW.random() < 0.7:
        # /v1/runs/{name}/samples/{file}: what stands before a name says whose it is
        parts = path.split("/")
        for owner, name in zip(parts, parts[1:]):
            if name.startswith("{") and owner in KNOWN:
                case.path_parameters[name.strip("{}")] = KNOWN[owner]
    if case.method != "POST" or not isinstance(case.body, dict):
        return
    is_json = case.media_type == "application/json"
    if path in RIGHT and is_json and made[path] < MOST and DRAW.random() < 0.2:
        made[path] += 1
        # a key that came before is for the request that it came with
        (case.headers or {}).pop("Idempotency-Key", None)
        case.body = {**{key: case.body[key] for key in FREE if key in case.body}, **RIGHT[path]}
    shrink(case.body, path)


def shrink(body, path):
    """Fewer steps and pictures; a wrong request stays wrong."""
    if path.startswith(("/v1/videos", "/v1/images")):
        for one in (body, body.get("extra_params")):
            if isinstance(one, dict) and is_count(one.get("num_inference_steps", 1)):
                one["num_inference_steps"] = 1
        if is_count(body.get("n")):
            body["n"] = min(2, body["n"])
    training = body.get("hyperparameters")
    if isinstance(training, dict) and is_count(training.get("steps")):
        training["steps"] = 1


def is_count(value):
    return isinstance(value, int) and value >= 1


@schemathesis.hook
def after_call(ctx, case, response):
    back = UNDONE.get(case.operation.path)
    if back is not None and case.method == "POST":
        requests.post(case.operation.base_url + back, timeout=60)


send = requests.Session.send


def bounded(session, request, **options):
    """Of streams of what happens, which do not end, the beginning is enough."""
    options["stream"] = True
    response = send(session, request, **options)
    kind = response.headers.get("content-type", "")
    if request.method == "GET" and kind.startswith("text/event-stream"):
        response._content = next(response.iter_content(None), b"")
        response._content_consumed = True
        response.close()
    else:
        response.content
    return response


requests.Session.send = bounded
