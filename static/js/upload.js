// Sends a file in pieces: what broke off goes on where it was, also after the page was loaded again.
(() => {
  "use strict";
  const MOST_TRIES = 8;
  const LONGEST_WAIT_MS = 30000;
  const HEAD_BYTES = 65536; // as in annotation/pieces.py
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const part = (selector) => form.querySelector(selector);
  const input = part("input[type=file]");
  const [button, stop, box, bar] = [part(".btn-primary"), part("[data-stop]"), part(".sending"), part("progress")];
  const texts = form.dataset;
  let control = null;

  const say = (text) => { part("[data-said]").textContent = text; };
  const refuse = (text) => {
    const line = part("#file-error");
    line.hidden = !text;
    line.lastElementChild.textContent = text;
  };
  const size = (bytes) => {
    const unit = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
    return `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`;
  };
  const time = (seconds) => seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
  const show = (sent, total, rate) => {
    bar.value = sent / total;
    const more = rate > 0 ? [`${size(rate)}/s`, `${time((total - sent) / rate)} ${texts.textLeft}`] : [];
    part("[data-rate]").textContent = [`${size(sent)} / ${size(total)}`, ...more].join(" · ");
  };
  const busy = (on) => {
    button.disabled = input.disabled = on;
    stop.hidden = !on;
    box.hidden = false;
  };
  const rest = (ms) => new Promise((done) => { setTimeout(done, ms); });

  // What the server answered, or null where it did not: then it is asked again.
  const post = async (url, values) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", part("[name=csrfmiddlewaretoken]").value);
    for (const [name, value] of Object.entries(values)) body.append(name, value);
    let answer;
    try {
      answer = await fetch(url, { method: "POST", body, redirect: "manual", signal: control.signal });
    } catch (error) {
      if (control.signal.aborted) throw new Error(texts.textStopped);
      return null;
    }
    if (answer.type === "opaqueredirect") throw new Error(texts.textSignedOut);
    if (answer.status >= 500 && answer.status !== 507) return null;
    const said = await answer.json().catch(() => ({}));
    if (answer.ok || answer.status === 409) return said;
    throw new Error(said.error || `${texts.textRefused} (${answer.status})`);
  };
  const surely = async (url, values) => {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const said = await post(url, values());
      if (said) return said;
      say(texts.textLost);
      await rest(Math.min(500 * 2 ** tries, LONGEST_WAIT_MS));
      if (control.signal.aborted) throw new Error(texts.textStopped);
    }
    throw new Error(texts.textGaveUp);
  };
  const send = async (file) => {
    const known = { name: file.name, size: file.size, modified: file.lastModified, head: file.slice(0, HEAD_BYTES) };
    const begun = await surely(form.dataset.upload, () => known);
    let { offset } = begun;
    const [first, started] = [offset, performance.now()];
    if (offset) say(texts.textThere);
    show(offset, file.size, 0);
    while (offset < file.size) {
      const from = offset;
      const said = await surely(begun.piece_url, () => ({ offset: from, piece: file.slice(from, from + begun.piece_bytes) }));
      offset = said.offset;
      if (offset > from) say("");
      show(offset, file.size, (offset - first) / ((performance.now() - started) / 1000));
    }
    say(texts.textWhole);
    location.assign(begun.next_url);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = input.files[0];
    if (!file) return;
    control = new AbortController();
    refuse("");
    say("");
    busy(true);
    try {
      await send(file);
    } catch (error) {
      busy(false);
      if (control.signal.aborted) say(error.message); else { say(""); refuse(error.message); }
      button.focus();
    }
  });
  stop.addEventListener("click", () => control.abort());
  const drop = part("[data-drop]");
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("is-over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    if (event.dataTransfer.files.length && !input.disabled) input.files = event.dataTransfer.files;
  });
})();
