// The merge page. A step is sent in the background, one after the other, while the next row is current already; its
// answer swaps in the lines that changed. Without this file the same buttons send the same forms.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const TYPING = "input:not([type=checkbox]), select, textarea";
  const shown = (node) => node.getClientRects().length > 0;
  const words = (text) => text.split(" ").filter(Boolean);
  const list = () => $("#list");
  const flat = () => list()?.hasAttribute("data-flat");
  const itemOf = (row) => row?.closest("[data-item]");
  const current = () => $("#list [data-row][aria-current]");
  const rows = () => $$("#list [data-item]:not(.is-sent) [data-row]").filter(shown);
  const boxes = (root) => $$("input[name=also]", root);

  // The current row --------------------------------------------------------------------------------------------------
  const LOAD_MS = 80;  // whoever walks on at once asks for nothing
  let loading = 0;
  const target = (item) => {
    const code = item?.dataset.code ?? "";
    $$(".cats li").forEach((li) => li.classList.toggle("is-target", Boolean(code) && $("button", li).value === code));
    const accept = $("#assign-accept");
    if (!accept) return;
    accept.value = code;
    accept.disabled = !code;
    $("[data-accept]", accept).textContent = code;
    guide(item?.dataset.category || code);
  };
  const select = (row, load = true) => {
    if (!row) return;
    current()?.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
    if (!document.activeElement?.matches(TYPING)) row.focus({ preventScroll: true });
    target(itemOf(row));
    $("#presence input").value = row.dataset.row;
    clearTimeout(loading);
    if (load) loading = setTimeout(() => { if (row.isConnected) row.click(); }, LOAD_MS);
  };
  const go = (step, fits = () => true) => {
    const all = rows();
    const at = all.indexOf(current());
    const ways = step > 0 ? all.slice(at + 1) : all.slice(0, Math.max(at, 0)).reverse();
    select(ways.find(fits));
  };
  const after = (item) => {
    const all = rows();
    const next = all.find((row) => item.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING && itemOf(row) !== item);
    return next ?? all.filter((row) => itemOf(row) !== item).at(-1);
  };

  // Folding and ticking ----------------------------------------------------------------------------------------------
  const unfold = (item, open) => {
    const [button, members] = [$("[data-fold]", item), $(".members", item)];
    if (!members) return;
    members.hidden = !open;
    item.classList.toggle("is-open", open);
    button.setAttribute("aria-expanded", String(open));
    if (open) htmx.trigger(members, "unfold");
    else if (members.contains(current())) select($("[data-row]", item));
  };
  const folded = (item) => $(".members", item)?.hidden !== false;
  const tick = () => {
    const row = current();
    const item = itemOf(row);
    if (!item) return;
    const own = row.matches("[data-member]") || flat() ? boxes(row.parentElement) : boxes(item);
    if (!own.length) { unfold(item, true); return; }
    const on = own.some((box) => !box.checked);
    own.forEach((box) => { box.checked = on; });
  };

  // What a step is about -------------------------------------------------------------------------------------------
  const all = (item) => [...words(item.dataset.ticked), ...words(item.dataset.rest)];
  const ticked = (item) => {
    const found = boxes(flat() ? list() : item);
    return found.length ? found.filter((box) => box.checked).map((box) => box.value) : words(item.dataset.ticked);
  };
  // "row": the label of the current row; "whole": that of a row inside a proposal, on its head all; else what is ticked.
  const chosen = (about) => {
    const row = current();
    const item = itemOf(row);
    if (!item || item.matches(".is-sent")) return null;
    const one = about === "row" || about === "whole" && row.matches("[data-member]");
    const marks = one ? [] : about === "whole" && !flat() ? all(item) : ticked(item);
    const [first, ...others] = marks.length ? marks : [row.dataset.mark];
    const rest = flat() ? [] : all(item).filter((mark) => mark !== first && !others.includes(mark));
    const [label, revision] = first.split(":");
    return { item, values: { label, revision, also: others, rest, item: flat() ? "" : item.dataset.item } };
  };

  // Steps ------------------------------------------------------------------------------------------------------------
  const COUNT_MS = 600;  // the numbers follow that often, however fast somebody is
  let line = Promise.resolve();
  let sent = 0;
  let staying = 0;  // steps under way that leave the list to their answer
  const send = (url, values, item, leaves) => {
    const place = { item, id: item?.dataset.item, row: current()?.dataset.row, open: item && !folded(item), leaves };
    if (leaves) {
      const next = flat() ? null : after(item);
      item.classList.add("is-sent");
      if (flat()) { go(1); item.classList.remove("is-sent"); } else select(next);
    }
    notes().filter((note) => note.dataset.crossed === place.id).forEach((note) => note.setAttribute("data-answered", ""));
    sent += 1;
    staying += !leaves;
    line = line.then(() => htmx.ajax("POST", url, { values, source: "#steps", swap: "none" })).catch(() => {}).then(() => {
      sent -= 1;
      staying -= !leaves;
      settle(place);
      if (!staying) kept.splice(0).forEach(pressed);
    });
  };
  const OWN = "a:not([data-row]), button, summary";  // controls that take Enter and Space for themselves
  // What is current is known only with the answer of such a step: keys that are pressed before it wait for it.
  const kept = [];
  const pressed = (key) => { if (staying) kept.push(key); else document.activeElement.dispatchEvent(new KeyboardEvent("keydown", key)); };
  document.addEventListener("keydown", (event) => {
    const { key, code, shiftKey, target: at } = event;
    if (!staying || !event.isTrusted || event.ctrlKey || event.metaKey || event.altKey) return;
    if (["Tab", "Escape"].includes(key) || at.matches(TYPING) || at.closest(OWN) && ["Enter", " "].includes(key) || $("dialog[open]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) kept.push({ key, code, shiftKey, bubbles: true, cancelable: true });
  }, true);
  let counting = 0;
  const count = () => { counting ||= setTimeout(() => { counting = 0; htmx.trigger(document.body, "labels-changed"); }, COUNT_MS); };
  const settle = (place) => {
    if (place.item?.isConnected) place.item.classList.remove("is-sent");
    const crossed = $("[data-crossed]:not([data-told])");
    crossed?.setAttribute("data-told", "");
    const back = crossed && $(`#item-${CSS.escape(crossed.dataset.crossed)}`);
    const item = $(`#item-${CSS.escape(place.id ?? "")}`);
    if (place.open && item && !place.leaves) unfold(item, true);
    const fresh = $("[data-fresh]");
    if (fresh) { fresh.removeAttribute("data-fresh"); select($("[data-row]", fresh)); }
    else if (back && !sent) select($("[data-row]", back));  // who is further on already is not called back
    else if (!current()) select($(`[data-row="${CSS.escape(place.row ?? "")}"]`) ?? rows()[0]);
    if ($("#given") && current()?.dataset.row === place.row) current().click();  // it may be settled
    count();
    document.dispatchEvent(new CustomEvent("stepped"));
    // All that was sent with the page is decided: there may be more.
    if (!sent && list()?.children.length === 0) leave(list().dataset.again);
  };
  // Whoever goes elsewhere waits until all is sent; what is pressed meanwhile is about a list that goes.
  const leave = (url) => {
    staying += 1;
    list()?.classList.add("is-going");
    line.then(() => location.assign(url));
  };
  addEventListener("beforeunload", (event) => { if (sent) event.preventDefault(); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  // An answer holds every line that changed; those that this list does not show are left out of it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!["steps", "counts"].includes(event.detail.elt?.id)) return;
    const held = document.createElement("template");
    held.innerHTML = event.detail.serverResponse;
    for (const part of $$("[hx-swap-oob]", held.content)) {
      const [way, place] = part.getAttribute("hx-swap-oob").split(":#");
      const beside = way === "afterend" && held.content.getElementById(place);
      if (!beside && !document.getElementById(place ?? part.id)) part.remove();
    }
    keepCrossed($("#conflict", held.content), event.detail.xhr.status);
    event.detail.serverResponse = held.innerHTML;
  });
  // A decision that was crossed stays in sight, whatever follows it, until it is answered: by its own buttons, or by
  // another decision about the same line.
  const notes = () => $$("#conflict [data-crossed]");
  const keepCrossed = (part, status) => {
    if (!part || status >= 500) return;
    const fresh = $("[data-crossed]", part);
    const over = (note) => note.matches("[data-answered]") || note.dataset.crossed === fresh?.dataset.crossed;
    notes().filter(over).forEach((note) => note.remove());
    if (!notes().length) return;
    if (fresh) part.setAttribute("hx-swap-oob", "beforeend:#conflict");
    else part.remove();
  };
  const own = (form) => {
    const values = {};
    for (const [name, value] of new FormData(form)) (values[name] ??= []).push(value);
    return values;
  };
  const hide = (form) => { form.hidden = true; current()?.focus({ preventScroll: true }); };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-step], #toasts form")) return;
    event.preventDefault();
    const button = event.submitter;
    const url = button?.getAttribute("formaction") ?? form.getAttribute("action");
    const query = $("#assign [name=query]").value;
    form.closest("[data-crossed]")?.setAttribute("data-answered", "");
    if (form.matches("[data-own], #toasts form")) { send(url, { query, ...own(form) }, null, false); return; }
    const choice = chosen(button?.dataset.about ?? form.dataset.about);
    if (!choice) return;
    const said = button?.name ? { [button.name]: button.value } : {};
    const texts = Object.fromEntries($$("input[type=text], input:not([type])", form).map((input) => [input.name, input.value]));
    const leaves = button?.name === "category" && (flat() || button.value !== "");
    if (form.matches(".ask")) hide(form);
    send(url, { query, ...choice.values, ...texts, ...said }, choice.item, leaves);
  });

  // Beside the list --------------------------------------------------------------------------------------------------
  const guide = (code) => {
    const known = $$("[data-guide-of]");
    const wanted = known.find((one) => one.dataset.guideOf === code) ?? known[0];
    known.forEach((one) => { one.hidden = one !== wanted; });
  };
  const ask = (id) => {
    const form = document.getElementById(id);
    const item = itemOf(current());
    if (!item) return;
    $$(".ask").forEach((other) => { other.hidden = other !== form; });
    const field = $("input:not([type=hidden])", form);
    field.value = id === "name-form" ? item.dataset.name : "";
    field.focus();
    field.select();
  };
  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const row = at("#list [data-row]");
    if (row && row !== current()) select(row, false);
    const link = at("a[href]:not([hx-get], [data-dismiss], [target])");
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (link && plain && (sent || link.matches("[data-anew]"))) { event.preventDefault(); leave(link.href); }
    if (at("[data-go]")) go(Number(at("[data-go]").dataset.go));
    if (at("[data-undecided-step]")) go(Number(at("[data-undecided-step]").dataset.undecidedStep), (one) => one.matches("[data-undecided]"));
    if (at("[data-fold]")) { const item = itemOf(at("[data-fold]")); unfold(item, folded(item)); }
    if (at("[data-fold-current]") && current()) { const item = itemOf(current()); unfold(item, folded(item)); }
    if (at("[data-tick]")) tick();
    if (at("[data-ask]")) ask(at("[data-ask]").dataset.ask);
    if (at("[data-guide]")) {
      const guides = $("#guides");
      guides.hidden = !guides.hidden;
      $$("[data-guide]").forEach((button) => button.setAttribute("aria-expanded", String(!guides.hidden)));
      if (!guides.hidden) guides.scrollIntoView({ block: "nearest" });
    }
    if (at("[data-dismiss]")) { event.preventDefault(); at("[data-crossed]").remove(); current()?.focus({ preventScroll: true }); }
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest(".ask");
    if (!form) return;
    if (event.key === "Escape") hide(form);
    // The Enter that ends a composition sends nothing.
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.preventDefault();
  });

  // A row may be dragged onto a category: the same as its button.
  const over = (event) => event.target.closest(".cats button:not(:disabled)");
  document.addEventListener("dragstart", (event) => { const row = event.target.closest("#list [data-row]"); if (row) select(row, false); });
  document.addEventListener("dragover", (event) => { if (over(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => { const button = over(event); if (button) { event.preventDefault(); button.click(); } });

  // Who looks where, and whether texts are folded: a choice of this browser.
  const present = () => {
    $$("#list .seen").forEach((one) => one.remove());
    for (const one of $$("#present [data-at]")) {
      const held = (item) => all(item).some((mark) => mark.startsWith(`${one.dataset.at}:`));
      const item = $$("#list [data-item]").find(held);
      const own = $$(`#list [data-row="${CSS.escape(one.dataset.at)}"]`).find(shown);
      const row = own ?? (item && $("[data-row]", item));
      if (!row) continue;
      const copy = $("#seen-template").content.cloneNode(true);
      $(".avatar", copy).textContent = one.dataset.who.slice(0, 1).toUpperCase();
      $(".visually-hidden", copy).textContent = one.dataset.who;
      copy.firstElementChild.title = one.dataset.who;
      row.append(copy);
    }
  };
  const remember = () => $$("[data-remember]").forEach((fold) => { fold.open = localStorage.getItem(fold.dataset.remember) !== "folded"; });
  document.addEventListener("toggle", (event) => {
    const name = event.target.dataset?.remember;
    if (name) localStorage.setItem(name, event.target.open ? "open" : "folded");
  }, true);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id === "present") present();
    if (event.target.id === "label-pane" || event.target.querySelector?.("[data-remember]")) remember();
  });
  addEventListener("DOMContentLoaded", () => {
    remember();
    if (current()) { target(itemOf(current())); current().scrollIntoView({ block: "nearest" }); }
  });
})();
