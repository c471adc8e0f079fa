// The small behaviours that HTML and htmx do not give: keys, toasts, focus after a swap, leases, polling in hidden tabs.
// Every write works without this file; it only makes the same buttons faster.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const visible = (node) => node.getClientRects().length > 0 && !node.disabled;
  document.documentElement.classList.add("js");

  // Toasts -------------------------------------------------------------------
  const LIFE_MS = 10000;
  const age = (toast) => {
    if (toast.dataset.aged) return;
    toast.dataset.aged = "1";
    setTimeout(function leave() {
      // Somebody who reads it, or is about to press Undo, keeps it.
      if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2000);
      else toast.remove();
    }, LIFE_MS);
  };
  const ageAll = () => $$("#toasts .toast-line:not(.is-unsafe)").forEach(age);
  const say = (text, kind = "unsafe") => {
    const copy = $("#toast-template").content.cloneNode(true);
    copy.firstElementChild.classList.add(`is-${kind}`);
    $(".text", copy).textContent = text;
    $("#toasts").append(copy);
    ageAll();
  };

  // Keys: data-key="1" on a button, link or field; one key clicks (or focuses) the first visible one ----------------
  const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=submit]), textarea, select, [contenteditable=true]";
  // Where the layout or an input method gives no Latin letter, the place of the key on the board says which one it is.
  const PLACES = /^(?:Key|Digit)([A-Z0-9])$/;
  const latin = (event) => /^[ -~]$/.test(event.key) || !PLACES.test(event.code) ? event.key : PLACES.exec(event.code)[1];
  const keyOf = (event) => {
    const key = event.key.length === 1 || event.key === "Process" ? latin(event) : event.key;
    const name = key === " " ? "Space" : key.length === 1 ? key.toLowerCase() : key;
    return event.shiftKey && /^[a-z]$/.test(name) ? `Shift+${name}` : name;
  };
  // A field that asks for a key takes the one that is pressed; Tab and Escape lead out of it, Backspace empties it.
  const capture = (event) => {
    if (["Tab", "Escape", "Shift", "CapsLock"].includes(event.key)) return false;
    event.preventDefault();
    event.target.value = event.key === "Backspace" ? "" : keyOf(event);
    return true;
  };
  const MOVES = "[data-go], [data-undecided-step], [data-move]";
  const press = (node) => {
    if (node.matches(TYPING)) { node.focus(); node.select?.(); } else node.click();
  };
  const ofAnIme = (event) => event.isComposing || event.keyCode === 229 && event.target.matches(TYPING);
  document.addEventListener("keydown", (event) => {
    if (ofAnIme(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("[data-capture]") && capture(event)) return;
    if (event.target.matches(TYPING)) { if (event.key === "Escape") event.target.blur(); return; }
    if ($("dialog[open]")) return;
    // Enter and Space belong to the control that has the focus; a row of a list gives them up.
    const own = event.target.closest("a, button, summary, input");
    const gives = own?.matches("[data-row]") || event.key === "Enter" && own?.matches("[type=checkbox]");
    if ((event.key === "Enter" || event.key === " ") && own && !gives) return;
    const node = $$(`[data-key="${CSS.escape(keyOf(event))}"]`).find(visible);
    if (!node) return;
    event.preventDefault();
    if (event.repeat && !node.matches(MOVES)) return;  // a key that is held goes on, but decides once
    press(node);
  });

  const fillKeys = (sheet) => {
    const list = $("dl", sheet);
    list.replaceChildren();
    for (const node of $$("[data-key]").filter(visible)) {
      const [key, what] = [document.createElement("dt"), document.createElement("dd")];
      const cap = document.createElement("kbd");
      cap.textContent = $("kbd", node)?.textContent ?? $("kbd", node.parentElement)?.textContent ?? node.dataset.key;
      key.append(cap);
      what.textContent = node.dataset.keyText;
      list.append(key, what);
    }
  };
  const leave = (box) => {
    if (box.matches("dialog")) { box.close(); return; }
    const held = box.contains(document.activeElement);
    box.remove();
    if (held) $("#main").focus({ preventScroll: true });  // not lost with the button it was on
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog.id === "keys") fillKeys(dialog);
      dialog.showModal();
    }
    if (event.target.closest("[data-close]")) leave(event.target.closest("dialog, .toast-line"));
    if (event.target.matches("dialog")) event.target.close();
    const mover = event.target.closest("[data-move]");
    if (mover) move(Number(mover.dataset.move));
    if (event.target.closest("[data-open]")) $("a", current() ?? $("[data-row]"))?.click();
    // An open menu closes when the click is elsewhere.
    $$("details.menu[open], details.drop[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $$("details.menu[open], details.drop[open]").forEach((menu) => { menu.open = false; });
  });

  // Lists: j and k walk over [data-row]; the row shown at the side is the current one ---------------------------------
  const current = () => $("[data-row][aria-current]");
  const mark = (row) => {
    const before = current();
    if (before === row) return;
    before?.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
  };
  const move = (step) => {
    const rows = $$("[data-row]");
    const next = rows[rows.indexOf(current()) + step];
    if (next) { mark(next); next.click(); }
  };

  // Leases: data-until is the end in ISO time; the server decides, this only shows ------------------------------------
  const tick = () => {
    for (const node of $$("[data-until]")) {
      const left = Math.max(0, Math.round((Date.parse(node.dataset.until) - Date.now()) / 1000));
      node.textContent = left ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : node.dataset.over;
    }
  };
  setInterval(tick, 1000);

  // htmx -------------------------------------------------------------------------
  let focused = null;
  let unfolded = [];
  const restUntil = new WeakMap();  // polled element → when it may ask again after an error
  const folds = (node) => $$("details", node);
  const handle = (at) => at?.id ? `#${CSS.escape(at.id)}` : at?.dataset.key ? `[data-key="${CSS.escape(at.dataset.key)}"]` : null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    // A poll waits while nobody looks, and while a question stands open that it would close.
    const asked = event.detail.elt.querySelector("details.drop[open]");
    const rests = document.hidden || asked || away() || Date.now() < (restUntil.get(event.detail.elt) ?? 0);
    if (event.detail.elt.hasAttribute("data-poll") && rests) event.preventDefault();
    else {
      focused = handle(document.activeElement);  // before a button is disabled while it works, which takes its focus
      event.detail.target.setAttribute("aria-busy", "true");
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target.removeAttribute("aria-busy"));
  document.addEventListener("htmx:beforeSwap", (event) => {
    const at = document.activeElement;
    const poll = event.detail.elt?.hasAttribute("data-poll");
    unfolded = poll ? folds(event.detail.target).map((fold) => fold.open) : [];
    if (at !== document.body) focused = handle(at);
    const end = event.detail.xhr.responseURL && new URL(event.detail.xhr.responseURL).pathname;
    if (end && end === document.body.dataset.login) {  // signed out meanwhile: a sign-in form has no place inside a page
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    folds(event.target).forEach((fold, index) => { fold.open ||= unfolded[index] === true; });
    unfolded = [];
    if (document.activeElement === document.body && focused) $(focused)?.focus({ preventScroll: true });
    tick();
    ageAll();
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    const { textError, textRequest } = document.body.dataset;
    const id = event.detail.xhr.getResponseHeader("X-Request-ID");
    const poll = event.detail.elt.hasAttribute("data-poll");
    if (poll) restUntil.set(event.detail.elt, Date.now() + LATEST_MS);
    if (GATEWAY.includes(status)) lose();
    if (poll && GATEWAY.includes(status)) return;  // the band says it
    say(`${textError} (${[status, id && `${textRequest} ${id}`].filter(Boolean).join(", ")})`);
  });
  document.addEventListener("htmx:sendError", () => lose());

  // Away: no network, no server, or a server without its database. Polls rest; one question, ever more seldom, looks
  // whether it is back.
  const GATEWAY = [502, 503, 504];
  const SOONEST_MS = 2000;
  const LATEST_MS = 30000;
  let wait = SOONEST_MS;
  let asking = 0;
  const away = () => !$("#away").hidden;
  const lose = () => {
    $("#away").hidden = false;
    clearTimeout(asking);
    asking = setTimeout(look, wait);
    wait = Math.min(2 * wait, LATEST_MS);
  };
  const found = () => {
    $("#away").hidden = true;
    clearTimeout(asking);
    wait = SOONEST_MS;
  };
  // Whoever is signed in is led on from the sign-in page: an answer that needs the database, and little else.
  const look = () => fetch(document.body.dataset.login, { redirect: "manual", cache: "no-store" })
    .then((answer) => GATEWAY.includes(answer.status) ? lose() : found(), lose);
  addEventListener("offline", lose);
  addEventListener("online", () => { if (away()) look(); });
  document.addEventListener("htmx:afterOnLoad", (event) => { if (away() && !GATEWAY.includes(event.detail.xhr.status)) found(); });

  // Paper is white: charts are drawn in the colours of the light theme for it.
  let screen = "";
  const dress = (theme) => {
    document.documentElement.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("themechange"));
  };
  addEventListener("beforeprint", () => { screen = document.documentElement.dataset.bsTheme; if (screen !== "light") dress("light"); });
  addEventListener("afterprint", () => { if (screen && screen !== "light") dress(screen); });

  addEventListener("DOMContentLoaded", () => {
    ageAll();
    tick();
    current()?.scrollIntoView({ block: "nearest" });
    // With "auto" only the browser knows what is shown; the switch must offer the other one.
    const other = $("#theme-switch");
    if (other && document.documentElement.dataset.theme === "auto") other.value = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
  });
})();
