// The parallel groups and the refusals of a corpus: search, sort, page, play.
"use strict";

(async () => {
  const { load, make } = corpusforge;
  const at = (id) => document.getElementById(id);
  const index = await load("index");
  const total = index.group.length;
  const pieces = Math.ceil(total / index.piece);
  const number = (value) => value.toLocaleString("en");
  const plain = (text) => text.normalize("NFC").toLowerCase();

  // What is shown

  const view = { query: "", split: "", label: "", sort: "order", down: false, page: 0, size: 10 };
  let order = Uint32Array.from({ length: total }, (_, position) => position);
  let hits = null;      // positions that the search found, null where nothing is searched for
  let turn = 0;         // of searching: an older one stops when it sees a newer

  const collator = new Intl.Collator("en", { numeric: true });
  function keys(name) {
    const [kind, which] = name.split(":");
    if (kind === "duration" || kind === "pace") return index[kind][which];
    if (kind === "total") return index.group.map((_, position) => index.duration.reduce((sum, column) => sum + (column[position] ?? 0), 0));
    if (kind === "split" || kind === "label") return index[kind].map((code) => (code < 0 ? null : code));
    return null;
  }

  function arrange() {
    const split = view.split === "" ? null : Number(view.split);
    const label = view.label === "" ? null : Number(view.label);
    let found = hits ?? Array.from({ length: total }, (_, position) => position);
    if (split !== null) found = found.filter((position) => index.split[position] === split);
    if (label !== null) found = found.filter((position) => index.label[position] === label);
    const sign = view.down ? -1 : 1;
    if (view.sort === "group") {
      found = found.slice().sort((a, b) => sign * collator.compare(index.group[a], index.group[b]) || a - b);
    } else if (view.sort !== "order") {
      const values = keys(view.sort);
      found = found.slice().sort((a, b) => {
        if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
        return sign * (values[a] - values[b]) || a - b;
      });
    } else if (view.down) {
      found = found.slice().reverse();
    }
    order = found;
  }

  async function search() {
    const mine = ++turn;
    const query = plain(view.query.trim());
    view.page = 0;
    if (!query) {
      hits = null;
      return show();
    }
    const found = [];
    for (let first = 0; first < pieces; first += 16) {
      const last = Math.min(first + 16, pieces);
      const loaded = await Promise.all(Array.from({ length: last - first }, (_, step) => load(`rows-${first + step}`)));
      if (mine !== turn) return;
      loaded.forEach((rows, step) => rows.forEach(([document, utterances], row) => {
        const position = (first + step) * index.piece + row;
        if (plain(index.group[position]).includes(query) || plain(document).includes(query)
          || utterances.some((utterance) => plain(utterance[1]).includes(query) || plain(utterance[2]).includes(query))) found.push(position);
      }));
      at("count").textContent = `Searching: ${Math.round(100 * last / pieces)} %, ${number(found.length)} found`;
    }
    hits = found;
    return show();
  }

  // Rows

  let drawn = 0;
  async function show() {
    const mine = ++drawn;
    arrange();
    const last = Math.max(0, Math.ceil(order.length / view.size) - 1);
    view.page = Math.min(Math.max(view.page, 0), last);
    const positions = Array.from(order.slice(view.page * view.size, (view.page + 1) * view.size));
    const wanted = [...new Set(positions.map((position) => Math.floor(position / index.piece)))];
    const loaded = new Map(await Promise.all(wanted.map(async (piece) => [piece, await Promise.all([load(`rows-${piece}`), load(index.waves[piece])])])));
    if (mine !== drawn) return;
    silence();
    at("rows").replaceChildren(...positions.map((position) => {
      const piece = Math.floor(position / index.piece);
      const [rows, waves] = loaded.get(piece);
      return row(position, rows[position % index.piece], waves[position % index.piece]);
    }));
    const from = order.length ? view.page * view.size + 1 : 0;
    const to = Math.min((view.page + 1) * view.size, order.length);
    const all = order.length === total ? "" : ` (of ${number(total)})`;
    at("count").textContent = order.length ? `${number(from)} to ${number(to)} of ${number(order.length)} groups${all}` : "No group has all of this. Search for less, or choose another split or label.";
    at("page").value = view.page + 1;
    at("page").max = last + 1;
    at("pages").textContent = `of ${number(last + 1)}`;
    at("previous").disabled = view.page === 0;
    at("next").disabled = view.page === last;
    at("sort").value = view.sort;
    at("direction").textContent = view.down ? "Descending" : "Ascending";
    for (const head of document.querySelectorAll(".groups th[data-sort]")) {
      if (head.dataset.sort === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    at("groups").dataset.shown = String(mine);
  }

  function row(position, [article, utterances], waves) {
    const label = index.label[position];
    const facts = [index.splits[index.split[position]], label < 0 ? null : index.labels[label]].filter(Boolean).join(" · ");
    const cells = index.languages.map((language, which) => make("td", { role: "cell" },
      ...utterances.flatMap((one, place) => (one[0] === which ? [utterance(one, waves[place], position, place)] : []))));
    return make("tr", { role: "row" },
      make("th", { scope: "row", role: "rowheader" },
        make("span", { class: "id" }, ...marked(index.group[position])),
        make("ul", { class: "facts" }, make("li", {}, facts), make("li", {}, ...marked(article)))),
      ...cells);
  }

  // Text with what was searched for marked, where case does not change its length.
  function marked(text) {
    const query = plain(view.query.trim());
    const folded = plain(text);
    if (!query || folded.length !== text.length) return [text];
    const parts = [];
    let from = 0;
    for (let found = folded.indexOf(query); found >= 0; found = folded.indexOf(query, from)) {
      parts.push(text.slice(from, found), make("mark", {}, text.slice(found, found + query.length)));
      from = found + query.length;
    }
    return [...parts, text.slice(from)];
  }

  function utterance([which, id, text, file, seconds, pace, voice, translator], wave, position, place) {
    const language = index.languages[which];
    const meta = make("p", { class: "meta" }, make("span", {}, `${seconds.toFixed(1)} s`));
    if (pace !== null) meta.append(make("span", {}, `${pace.toFixed(3)} s/syllable`));
    if (voice !== null) meta.append(make("span", {}, voice));
    if (translator !== null) meta.append(make("span", {}, `translated by ${translator}`));
    const box = make("div", { class: "utterance" },
      make("p", { class: "language" }, language.name),
      make("p", { class: "text", lang: language.tag || null, dir: "auto" }, ...marked(text)),
      player(file, seconds, wave, `${language.name}, ${id}`), meta);
    if (index.spectra && wave !== null) {
      const button = make("button", { type: "button", class: "plain", "aria-expanded": "false", "aria-label": `Spectrogram of ${language.name}, ${id}` }, "Spectrogram");
      button.addEventListener("click", () => toggle(button, box, position, place, seconds));
      meta.append(button);
    }
    return box;
  }

  // Sound: one audio element for all, which loads a file when it is played

  const audio = at("audio");
  let active = null;

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const address = (file) => index.base + file.split("/").map(encodeURIComponent).join("/");

  function player(file, seconds, wave, name) {
    const button = make("button", { type: "button", class: "play", "aria-label": `Play ${name}` },
      make("svg", { viewBox: "0 0 16 16", class: "start", "aria-hidden": "true" }, make("path", { d: "M4.5 2.5v11l9-5.5z" })),
      make("svg", { viewBox: "0 0 16 16", class: "stop", "aria-hidden": "true" }, make("path", { d: "M4 3h3v10H4zM9 3h3v10H9z" })));
    const seek = make("input", { type: "range", min: 0, max: seconds, step: 0.05, value: 0, "aria-label": `Position in ${name}` });
    const time = make("span", { class: "clock" }, clock(seconds));
    const shape = bars(wave);
    const done = make("svg", { viewBox: "0 0 160 40", preserveAspectRatio: "none", class: "done", "aria-hidden": "true" }, make("path", { d: shape }));
    const box = make("div", { class: "player" }, button,
      make("div", { class: "wave" }, make("svg", { viewBox: "0 0 160 40", preserveAspectRatio: "none", "aria-hidden": "true" }, make("path", { d: shape })), done, seek), time);
    const self = { file, name, box, button, start: 0, at(position) {
      const share = seconds ? Math.min(position / seconds, 1) : 0;
      done.style.clipPath = `inset(0 ${100 - 100 * share}% 0 0)`;
      seek.value = position;
      seek.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${seconds.toFixed(1)} seconds`);
      time.textContent = clock(position > 0 ? position : seconds);
    }, broken() {
      box.classList.add("broken");
      time.textContent = "no audio";
      time.classList.add("alarm");
    } };
    button.addEventListener("click", () => (active === self && !audio.paused ? audio.pause() : play(self)));
    seek.addEventListener("input", () => {
      self.at(Number(seek.value));
      if (active === self) audio.currentTime = Number(seek.value);
      else self.start = Number(seek.value);
    });
    self.at(0);
    if (wave === null) self.broken();
    return box;
  }

  function bars(wave) {
    if (wave === null) return "M0 20H160";
    return Array.from(atob(wave), (char, bar) => {
      const height = Math.max(0.5, char.charCodeAt(0) / 255 * 19);
      return `M${bar + 0.5} ${(20 - height).toFixed(1)}v${(2 * height).toFixed(1)}`;
    }).join("");
  }

  async function play(one) {
    if (active !== one) {
      silence();
      active = one;
      audio.src = address(one.file);
      if (one.start) audio.currentTime = one.start;
    }
    try {
      await audio.play();
    } catch (error) {
      if (error.name !== "AbortError" && active === one) one.broken();
    }
  }

  function silence() {
    if (!active) return;
    audio.pause();
    rest(active);
    active.start = 0;
    active.at(0);
    active = null;
  }

  function rest(one) {
    one.box.classList.remove("playing");
    one.button.setAttribute("aria-label", `Play ${one.name}`);
  }

  function follow() {
    if (!active) return;
    active.at(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(follow);
  }

  audio.addEventListener("play", () => {
    active.box.classList.add("playing");
    active.button.setAttribute("aria-label", `Pause ${active.name}`);
    follow();
  });
  audio.addEventListener("pause", () => active && rest(active));
  audio.addEventListener("ended", () => { if (active) { active.start = 0; silence(); } });

  // Spectrograms

  // 16 steps from black through violet and orange to pale yellow; equal steps look equal, in grey as well.
  const HEAT = ["#000004", "#0a0722", "#1e0c45", "#36106b", "#500f7a", "#691780", "#812581", "#992d80", "#b3367a", "#cc3f71", "#e34e65", "#f2675c", "#fa865f", "#fea873", "#fec98d", "#fcfdbf"]
    .map((colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16)));

  async function toggle(button, box, position, place, seconds) {
    const open = box.querySelector(".spectrum");
    button.setAttribute("aria-expanded", String(!open));
    if (open) return open.remove();
    const canvas = make("canvas", { role: "img", "aria-label": button.getAttribute("aria-label"), width: 1, height: 64 });
    box.append(make("figure", { class: "spectrum" }, canvas, make("figcaption", {}, make("span", {}, "0 s"), make("span", {}, "from 0 Hz, below, to half the sample rate"), make("span", {}, `${seconds.toFixed(1)} s`))));
    const spectra = await load(index.spectra[Math.floor(position / index.piece)]);
    const packed = Uint8Array.from(atob(spectra[position % index.piece][place]), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const cells = new Uint8Array(await new Response(stream).arrayBuffer());
    const half = 32;
    const columns = canvas.width = cells.length / half;
    const image = new ImageData(columns, 2 * half);
    cells.forEach((pair, cell) => {
      const column = Math.floor(cell / half);
      [pair & 15, pair >> 4].forEach((level, upper) => {
        const line = 2 * half - 1 - (2 * (cell % half) + upper);
        image.data.set([...HEAT[level], 255], 4 * (line * columns + column));
      });
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.dataset.drawn = "true";
  }

  // Controls

  let pause = 0;
  at("search").addEventListener("input", () => {
    view.query = at("search").value;
    clearTimeout(pause);
    pause = setTimeout(search, 150);
  });
  const chosen = (id) => at(id).addEventListener("change", () => {
    view[id] = at(id).value;
    view.page = 0;
    show();
  });
  ["split", "label", "sort"].forEach(chosen);
  at("size").addEventListener("change", () => {
    view.page = Math.floor(view.page * view.size / Number(at("size").value));
    view.size = Number(at("size").value);
    show();
  });
  at("direction").addEventListener("click", () => { view.down = !view.down; view.page = 0; show(); });
  const turnTo = (page) => { view.page = page; show(); };
  at("previous").addEventListener("click", () => turnTo(view.page - 1));
  at("next").addEventListener("click", () => turnTo(view.page + 1));
  at("page").addEventListener("change", () => turnTo((Math.floor(Number(at("page").value)) || 1) - 1));
  for (const head of document.querySelectorAll(".groups th[data-sort] button")) {
    head.addEventListener("click", () => {
      const name = head.parentElement.dataset.sort;
      view.down = view.sort === name && !view.down;
      view.sort = name;
      view.page = 0;
      show();
    });
  }
  at("controls").addEventListener("submit", (event) => event.preventDefault());

  // Refusals

  async function refusals(page) {
    const size = 25;
    const last = Math.ceil(index.refused / size) - 1;
    const first = page * size;
    const rows = (await load(`refused-${Math.floor(first / index.piece)}`)).slice(first % index.piece, first % index.piece + size);
    const tag = (code) => index.languages.find((language) => language.code === code)?.tag;
    at("refused-rows").replaceChildren(...rows.map(([id, , lang, text, stage, reason, kind]) => make("tr", {},
      make("td", { class: "id" }, id), make("td", {}, kind), make("td", {}, stage), make("td", {}, reason),
      make("td", { lang: tag(lang) || null, dir: "auto" }, text))));
    at("refused-count").textContent = `${number(first + 1)} to ${number(Math.min(first + size, index.refused))} of ${number(index.refused)}`;
    at("refused-previous").disabled = page === 0;
    at("refused-next").disabled = page === last;
    at("refused-previous").onclick = () => refusals(page - 1);
    at("refused-next").onclick = () => refusals(page + 1);
  }

  const broken = (error) => {
    at("count").textContent = error.message;
    at("count").classList.add("alarm");
  };
  addEventListener("unhandledrejection", (event) => broken(event.reason));
  if (index.refused) await refusals(0);
  await show();
})().catch((error) => {
  const count = document.getElementById("count");
  count.textContent = error.message;
  count.classList.add("alarm");
});
