"""Clients of PyPI: python python.py URL PICTURE. Prints "ok NAME" or "FAIL NAME"."""

import base64
import os
import sys
import traceback
from pathlib import Path

import ollama
import openai

url, path = sys.argv[1:3]
key = os.environ["OWL3_API_KEY"]
picture = Path(path).read_bytes()
clip = Path(path).parent / "moving.mp4"
question = "What is in this picture?"
start = "A large red circle"
data_url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
content = [{"type": "image_url", "image_url": {"url": data_url}}, {"type": "text", "text": question}]
messages = [{"role": "user", "content": content}]
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def passes(work):
    """Runs a check, and tells and returns whether it passes."""
    try:
        work()
    except Exception:
        print(f"FAIL {work.__doc__}: {traceback.format_exc()}")
        return False
    print(f"ok {work.__doc__}")
    return True


def models():
    """openai (Python): models"""
    assert [model.id for model in client.models.list()] == ["owl3-demo"]
    assert client.models.retrieve("owl3-demo").owned_by == "owl3"


def create():
    """openai (Python): a picture, several answers, logprobs, seed, stop"""
    made = client.chat.completions.create(
        model="owl3-demo", messages=messages, n=2, logprobs=True, top_logprobs=3, seed=1, stop=["circle"]
    )
    assert [choice.message.content for choice in made.choices] == ["A large red "] * 2
    assert len(made.choices[0].logprobs.content[0].top_logprobs) == 3
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens


def stream():
    """openai (Python): streams"""
    made = client.chat.completions.create(
        model="owl3-demo", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(made)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).startswith(start)
    assert chunks[-1].usage.completion_tokens > 5
    with client.chat.completions.stream(model="owl3-demo", messages=messages) as events:
        assert events.get_final_completion().choices[0].message.content.startswith(start)


def video():
    """openai (Python): a clip with extra_body"""
    clip_url = f"data:video/mp4;base64,{base64.b64encode(clip.read_bytes()).decode()}"
    parts = [{"type": "video_url", "video_url": {"url": clip_url}}, {"type": "text", "text": "What happens?"}]
    made = client.chat.completions.create(
        model="owl3-demo", messages=[{"role": "user", "content": parts}], extra_body={"fps": 1, "frames": 16}
    )
    assert made.choices[0].message.content == "A red circle moves to the right."


def responses():
    """openai (Python): responses"""
    parts = [{"type": "input_image", "image_url": data_url}, {"type": "input_text", "text": question}]
    turns = [{"role": "user", "content": parts}]
    assert client.responses.create(model="owl3-demo", input=turns).output_text.startswith(start)
    with client.responses.stream(model="owl3-demo", input=turns) as events:
        assert events.get_final_response().output_text.startswith(start)


def refused(expected, wrong):
    """Sends a request that is wrong, and returns the error of the kind that is expected."""
    try:
        client.chat.completions.create(**{"model": "owl3-demo", "messages": messages, **wrong})
    except expected as error:
        return error
    raise AssertionError(wrong)


def errors():
    """openai (Python): errors"""
    for wrong, expected in [
        ({"model": "gpt-9"}, openai.NotFoundError),
        ({"temperature": -1}, openai.BadRequestError),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError),
    ]:
        refusal = refused(expected, wrong)
        assert refusal.body["type"] == "invalid_request_error"


def ollama_client():
    """ollama (Python): list, show, chat, stream, generate"""
    api = ollama.Client(host=url, headers={"Authorization": f"Bearer {key}"})
    assert api.list().models[0].model == "owl3-demo"
    assert "vision" in api.show("owl3-demo").capabilities
    turns = [{"role": "user", "content": question, "images": [path]}]
    whole = api.chat(model="owl3-demo", messages=turns)
    assert whole.message.content.startswith(start)
    parts = [part.message.content for part in api.chat(model="owl3-demo", messages=turns, stream=True)]
    assert "".join(parts) == whole.message.content
    made = api.generate(model="owl3-demo", prompt=question, images=[path], options={"num_predict": 4})
    assert made.response == "A large red circle" and made.done_reason == "length"


def litellm_client():
    """litellm: OpenAI's and Ollama's ways"""
    import litellm

    made = litellm.completion("openai/owl3-demo", messages=messages, api_base=f"{url}/v1", api_key=key)
    assert made.choices[0].message.content.startswith(start)
    parts = litellm.completion("openai/owl3-demo", messages=messages, api_base=f"{url}/v1", api_key=key, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in parts).startswith(start)
    made = litellm.completion("ollama_chat/owl3-demo", messages=messages, api_base=url, api_key=key)
    assert made.choices[0].message.content.startswith(start)


def langchain():
    """langchain-openai"""
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(model="owl3-demo", base_url=f"{url}/v1", api_key=key)
    assert chat.invoke([("user", content)]).content.startswith(start)
    assert "".join(part.content for part in chat.stream([("user", content)])).startswith(start)


more = [litellm_client, langchain] if os.environ.get("MORE") else []
results = [passes(one) for one in [models, create, stream, video, responses, errors, ollama_client, *more]]
sys.exit(0 if all(results) else 1)
