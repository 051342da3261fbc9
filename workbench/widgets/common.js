// What all panels share: asking Python, making elements, players that stay in step, waveforms.
// Text from outside only ever becomes text nodes; there is no innerHTML in any panel.

/** An element with properties, attributes (aria-*, data-*, role, for) and children. */
function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || ["role", "for", "scope", "colspan"].includes(name))
      element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A label above its control. */
function field(label, control, hint = "") {
  const id = `wb-${Math.random().toString(36).slice(2)}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { className: "wb-field" },
    h("label", { for: id }, label),
    control,
    hint ? h("div", { className: "wb-hint", id: `${id}-hint` }, hint) : null,
  );
}

/** Show a refusal under the control it is about, where the sentence names one; else say so. */
function blame(controls, error) {
  for (const [name, control] of Object.entries(controls)) {
    const hit = error && new RegExp(`^(${name})\\b`).test(error.message);
    control.toggleAttribute("aria-invalid", Boolean(hit));
    let note = control.parentNode.querySelector(".wb-fault");
    if (!hit) {
      note?.remove();
      continue;
    }
    note = note || control.parentNode.appendChild(h("div", { className: "wb-fault" }));
    note.textContent = error.message;
  }
}

function select(options, value, onchange) {
  const control = h("select", { onchange });
  for (const [key, words] of options) control.append(h("option", { value: key }, words));
  control.value = value;
  return control;
}

/** `ask(question, data)` gives a promise of `{data, buffers}`; a refusal is an Error with words. */
function asker(model) {
  const waiting = new Map();
  let last = 0;
  // Several views may show one panel: each has its own numbers.
  const view = Math.random().toString(36).slice(2);
  model.on("msg:custom", (message, buffers) => {
    const promise = waiting.get(message.id);
    if (!promise) return;
    waiting.delete(message.id);
    if (message.error !== undefined) promise.reject(new Error(message.error));
    else promise.resolve({ data: message.reply, buffers: buffers || [] });
  });
  return (question, data = {}) =>
    new Promise((resolve, reject) => {
      const id = `${view}-${++last}`;
      waiting.set(id, { resolve, reject });
      model.send({ ask: question, id, data });
    });
}

/** The frame of a panel: title, a line for news and errors, and the body to fill. */
function frame(el, title, words) {
  const news = h("div", { className: "wb-news", role: "status", "aria-live": "polite" });
  const body = h("div", { className: "wb-body" });
  const root = h(
    "section",
    { className: "wb-root", "aria-label": title },
    h("h2", { className: "wb-title" }, title),
    h("p", { className: "wb-hint" }, words),
    news,
    body,
  );
  follow_theme(root);
  el.append(root);
  return {
    root,
    body,
    say: (text) => {
      news.className = "wb-news";
      news.textContent = text;
    },
    fail: (error) => {
      news.className = "wb-news wb-error";
      news.textContent = error.message || String(error);
    },
  };
}

/** Light or dark as JupyterLab or Voila says, else as the machine prefers. */
function follow_theme(root) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const said = document.body.dataset.jpThemeLight;
    root.dataset.theme = (said ? said === "false" : dark.matches) ? "dark" : "light";
  };
  look();
  const observer = new MutationObserver(look);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  dark.addEventListener("change", look);
}

/** Call again and again while the panel is on the page; never two at once. */
function every(root, wait_ms, action) {
  const tick = async () => {
    if (root.isConnected && !document.hidden) await action();
    setTimeout(tick, wait_ms);
  };
  setTimeout(tick, wait_ms);
}

function later(action, wait_ms) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), wait_ms);
  };
}

function number(value, digits = 1) {
  return value === null || value === undefined ? "–" : Number(value).toFixed(digits);
}

function clock(seconds) {
  if (seconds === null || seconds === undefined) return "?";
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function address(bytes, type) {
  return URL.createObjectURL(new Blob([bytes], { type }));
}

function floats(buffer) {
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return new Float32Array(bytes.slice().buffer);
}

// One context for the page: browsers allow only a few, and it starts with the first click.
let audio_context;
let playing_deck = null;
function context() {
  audio_context = audio_context || new AudioContext();
  return audio_context;
}

/** Players that start at the same sample and run on together; one of them is heard. */
class Deck {
  constructor(onchange = () => {}) {
    this.sounds = [];
    this.heard = 0;
    this.nodes = [];
    this.gains = [];
    this.offset_s = 0;
    this.loop = null;
    this.onchange = onchange;
  }

  async load(buffers) {
    this.stop();
    this.sounds = await Promise.all(
      buffers.map((buffer) => {
        const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
        return context().decodeAudioData(bytes.slice().buffer);
      }),
    );
    this.offset_s = 0;
  }

  get duration_s() {
    return Math.max(0, ...this.sounds.map((sound) => sound.duration));
  }

  get is_playing() {
    return this.nodes.length > 0;
  }

  get position_s() {
    if (!this.is_playing) return this.offset_s;
    const run_s = Math.max(0, context().currentTime - this.began_s) + this.offset_s;
    if (!this.loop) return Math.min(run_s, this.duration_s);
    const [start_s, end_s] = this.loop;
    return run_s < end_s ? run_s : start_s + ((run_s - start_s) % (end_s - start_s));
  }

  async play(from_s = this.offset_s, loop = null) {
    this.stop();
    if (playing_deck && playing_deck !== this) playing_deck.stop();
    playing_deck = this;
    await context().resume();
    this.loop = loop;
    this.offset_s = from_s >= this.duration_s - 0.05 ? 0 : from_s;
    this.began_s = context().currentTime + 0.03;
    this.nodes = this.sounds.map((sound, place) => {
      const node = context().createBufferSource();
      const gain = context().createGain();
      gain.gain.value = place === this.heard ? 1 : 0;
      node.buffer = sound;
      if (loop) [node.loop, node.loopStart, node.loopEnd] = [true, ...loop];
      node.connect(gain).connect(context().destination);
      node.start(this.began_s, this.offset_s);
      this.gains[place] = gain;
      return node;
    });
    const first = this.nodes[0];
    first.onended = () => {
      if (this.nodes[0] !== first) return;
      this.offset_s = 0;
      this.silence();
    };
    this.onchange();
  }

  stop() {
    if (this.is_playing) this.offset_s = this.position_s;
    this.silence();
  }

  silence() {
    for (const node of this.nodes) {
      node.onended = null;
      try {
        node.stop();
      } catch {
        // It had ended by itself.
      }
    }
    this.nodes = [];
    this.onchange();
  }

  /** Hear another of the sounds from this very sample on, without a click. */
  hear(place) {
    this.heard = place;
    const now_s = context().currentTime;
    this.gains.forEach((gain, at) => {
      gain.gain.setTargetAtTime(at === place ? 1 : 0, now_s, 0.003);
    });
    this.onchange();
  }
}

/** Draw a waveform of (2, columns) extremes over the whole width of a canvas. */
function draw_wave(canvas, extremes, colour) {
  const columns = extremes.length / 2;
  const pen = canvas.getContext("2d");
  const middle = canvas.height / 2;
  pen.fillStyle = colour;
  for (let x = 0; x < canvas.width; x++) {
    const column = Math.floor((x * columns) / canvas.width);
    const low = extremes[column];
    const high = extremes[columns + column];
    pen.fillRect(x, middle - high * middle, 1, Math.max(1, (high - low) * middle));
  }
}

/** The panel's colours, which its style sheet has for light and dark. */
function colour(root, name) {
  return getComputedStyle(root).getPropertyValue(`--wb-${name}`).trim();
}

/** A play/stop button with a time that advances, for one deck. */
function transport(deck, label) {
  const button = h("button", { type: "button", className: "wb-play" });
  const time = h("span", { className: "wb-time", "data-position": "0" });
  const show = () => {
    const words = deck.is_playing ? "Stop" : "Play";
    if (button.dataset.words !== words) {
      button.dataset.words = words;
      button.textContent = deck.is_playing ? "■ Stop" : "▶ Play";
      button.setAttribute("aria-label", `${words} ${label}`);
    }
    time.dataset.position = deck.position_s.toFixed(3);
    time.textContent = `${clock(deck.position_s)} / ${clock(deck.duration_s)}`;
    if (deck.is_playing) requestAnimationFrame(show);
  };
  deck.onchange = show;
  button.addEventListener("click", () => (deck.is_playing ? deck.stop() : deck.play()));
  show();
  return h("span", { className: "wb-transport" }, button, time);
}
