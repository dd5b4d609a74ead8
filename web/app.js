// The page of `owl3 serve`: a conversation with the server that it came from. The server keeps nothing, so each question takes all turns along.
const element = (id) => document.getElementById(id);
const [turnsView, mediaView, question, send, stop] = ["turns", "media", "question", "send", "stop"].map(element);

/** Turns as the API takes them. */
let messages = [];
/** Pictures and clips of the next question: {name, type, url}, where url is a data: URL. */
let media = [];
/** Stops the answer under way. */
let running;

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function shown({ name, type, url }) {
  if (type === "video") return make("video", { src: url, controls: true, muted: true, title: name });
  return make("img", { src: url, alt: name, title: name });
}

function showMedia() {
  mediaView.className = "shown";
  mediaView.replaceChildren(
    ...media.map((medium) => {
      const drop = () => {
        media = media.filter((other) => other !== medium);
        showMedia();
      };
      return make(
        "figure",
        {},
        shown(medium),
        make("button", { type: "button", textContent: "×", title: `Leave out ${medium.name}`, onclick: drop }),
      );
    }),
  );
}

const read = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

async function add(files) {
  for (const file of files) {
    const type = file.type.split("/")[0];
    if (type === "image" || type === "video") media.push({ name: file.name, type, url: await read(file) });
    else problem(`${file.name} is neither a picture nor a clip.`);
  }
  showMedia();
}

function problem(text) {
  turnsView.append(make("article", {}, make("p", { className: "wrong", textContent: text })));
  turnsView.scrollTop = turnsView.scrollHeight;
}

/** Gives the data of each server-sent event, and hands on what a comment says of the vision tower. */
async function* eventsOf(response, onVision) {
  let held = "";
  for (const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (held + value).split("\n\n");
    held = events.pop();
    for (const event of events) {
      const [, done, total] = /^: vision (\d+)\/(\d+)$/.exec(event) ?? [];
      if (total !== undefined) onVision(done, total);
      else if (event.startsWith("data: ")) yield event.slice(6);
    }
  }
}

/** Texts that wait to be shown: tokens may come faster than a screen changes. */
const waiting = new Map();

function show(view, text) {
  if (waiting.size === 0)
    requestAnimationFrame(() => {
      const below = turnsView.scrollHeight - turnsView.scrollTop - turnsView.clientHeight < 40;
      for (const [each, latest] of waiting) each.textContent = latest;
      waiting.clear();
      if (below) turnsView.scrollTop = turnsView.scrollHeight;
    });
  waiting.set(view, text);
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

function timesOf({ preprocess_ms, vision_ms, prefill_ms, decode_ms }, usage) {
  const parts = [
    `media ${seconds(preprocess_ms)}`,
    `vision ${seconds(vision_ms)}`,
    `prompt ${seconds(prefill_ms)}`,
    `answer ${seconds(decode_ms)}`,
  ];
  if (usage) parts.push(`${usage.completion_tokens} tokens`, `${usage.crops} crops`);
  return parts.join(" · ");
}

async function ask() {
  const text = question.value.trim();
  if (running || (text === "" && media.length === 0)) return;
  const content = media.map(({ type, url }) =>
    type === "video" ? { type: "video_url", video_url: { url } } : { type: "image_url", image_url: { url } },
  );
  if (text !== "") content.push({ type: "text", text });
  element("hint")?.remove();
  const asked = make("article", { className: "user" });
  if (media.length > 0)
    asked.append(make("div", { className: "shown" }, ...media.map((m) => make("figure", {}, shown(m)))));
  asked.append(make("p", { textContent: text }));
  const answer = make("p");
  const times = make("p", { className: "times", textContent: "looking" });
  turnsView.append(asked, make("article", { className: "assistant" }, answer, times));
  const began = performance.now();
  let looking = "looking";
  const clock = setInterval(() => {
    times.textContent = `${answer.textContent === "" ? looking : "answering"}, ${seconds(performance.now() - began)}`;
  }, 100);
  const before = messages;
  messages = [...messages, { role: "user", content }];
  const held = { text, media };
  [question.value, media] = ["", []];
  showMedia();
  busy(true);
  running = new AbortController();
  let told = "";
  try {
    const response = await fetch("v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages, stream: true, stream_options: { include_usage: true } }),
      signal: running.signal,
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    let timings;
    const onVision = (done, total) => {
      looking = `looking, ${done} of ${total} crops`;
    };
    for await (const data of eventsOf(response, onVision)) {
      if (data === "[DONE]") break;
      const { error, choices, usage, timings: found } = JSON.parse(data);
      if (error) throw new Error(error.message);
      timings = found ?? timings;
      told += choices[0]?.delta.content ?? "";
      show(answer, told);
      if (!timings) continue;
      clearInterval(clock);
      times.textContent = timesOf(timings, usage);
    }
    messages.push({ role: "assistant", content: told });
  } catch (error) {
    const stopped = error.name === "AbortError";
    times.textContent = stopped ? "stopped" : "";
    if (!stopped) problem(`That failed: ${error.message}`);
    if (told !== "") messages.push({ role: "assistant", content: told });
    else {
      // Nothing was said, so the question may be asked again.
      messages = before;
      [question.value, media] = [held.text, held.media];
      showMedia();
    }
  } finally {
    clearInterval(clock);
    show(answer, told);
    running = undefined;
    busy(false);
    question.focus();
  }
}

function busy(is) {
  send.hidden = is;
  stop.hidden = !is;
}

element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});
stop.addEventListener("click", () => running?.abort());
element("new").addEventListener("click", () => location.reload());
element("files").addEventListener("change", (event) => {
  add([...event.target.files]); // the list empties with the field
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length > 0) add([...event.clipboardData.files]);
});
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", name === "dragover");
    if (name === "drop") add([...event.dataTransfer.files]);
  });

const models = await fetch("v1/models").then((response) => response.json());
element("model").textContent = models.data?.[0]?.id ?? "";
question.focus();
