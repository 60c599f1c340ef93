"use strict";
// Keeps what people fill in: in this browser while they type, and in a completed copy of the page when they ask for it.
// Everything typed is handled as text, never as HTML. Without this script the page can be read, printed and written on.
(() => {
  const root = document.documentElement;
  const { run = "", saved = "" } = root.dataset;
  const key = `rollback-drills:${run}:${saved}`; // each completed copy has a draft of its own
  const byId = (id) => document.getElementById(id);
  const fields = () => [...document.querySelectorAll("[data-field]")];
  const actions = byId("action-rows");
  const status = byId("kept");
  let kept = true; // whether what was typed would be here again after the tab is closed
  let blobUrl = "";

  const valueOf = (field) => (field.type === "checkbox" ? (field.checked ? "yes" : "") : field.value);
  const say = (text) => { status.textContent = text; };

  function mirror(field) {
    const printed = field.parentElement.querySelector(".printed");
    if (printed) printed.textContent = field.value;
  }

  function put(field, value) {
    if (field.type === "checkbox") field.checked = value === "yes";
    else field.value = value;
    mirror(field);
  }

  function addAction() {
    const number = actions.rows.length + 1;
    const row = actions.rows[actions.rows.length - 1].cloneNode(true);
    for (const field of row.querySelectorAll("[data-field]")) {
      field.name = field.name.replace(/\d+/, number);
      field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+/, number));
      put(field, "");
    }
    actions.append(row);
    return row;
  }

  function restore(text) {
    const draft = JSON.parse(text);
    while (actions.rows.length < Math.min(draft.actions, 500)) addAction();
    for (const field of fields()) {
      if (typeof draft.values[field.name] === "string") put(field, draft.values[field.name]);
    }
    judgeSignOff();
    return draft.at;
  }

  function keep() {
    const values = Object.fromEntries(fields().map((field) => [field.name, valueOf(field)]));
    try {
      localStorage.setItem(key, JSON.stringify({ at: new Date().toISOString(), actions: actions.rows.length, values }));
      kept = true;
      say("Kept in this browser. Save a completed copy to file it.");
    } catch {
      kept = false;
      say("This browser keeps nothing for this page: save a completed copy before you close it.");
    }
    byId("discard").hidden = !kept;
  }

  const names = (text) => text.toLowerCase().split(/[,;&/\n]|\s(?:and|und)\s/)
    .map((name) => name.replace(/\s+/g, " ").trim()).filter(Boolean);

  function judgeSignOff() {
    const field = document.querySelector("[name='sign-off-name']");
    const performers = names(document.querySelector("[name='performed-by']").value);
    const same = names(field.value).some((name) => performers.includes(name));
    byId("same-person").hidden = !same;
    if (same) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  function completed() {
    const now = new Date().toISOString();
    const copy = root.cloneNode(true);
    const written = copy.querySelectorAll("[data-field]");
    fields().forEach((field, index) => {
      if (field.type === "checkbox") written[index].toggleAttribute("checked", field.checked);
      else if (field.tagName === "TEXTAREA") written[index].textContent = `\n${field.value}`; // a parser drops the first
      else written[index].setAttribute("value", field.value);
    });
    copy.dataset.saved = now;
    copy.querySelector("#kept").textContent = "";
    copy.querySelector("#discard").hidden = true;
    const note = copy.querySelector("#copy-note");
    note.hidden = false;
    note.textContent = `Completed copy, saved ${now.slice(0, 19).replace("T", " ")} UTC`;
    return `<!doctype html>\n${copy.outerHTML}\n`;
  }

  function saveCopy() {
    if (blobUrl) URL.revokeObjectURL(blobUrl);
    blobUrl = URL.createObjectURL(new Blob([completed()], { type: "text/html" }));
    const link = document.createElement("a");
    link.href = blobUrl;
    link.download = `incident-${run.replace(/[^\w.-]+/g, "_")}-completed.html`;
    link.click();
    kept = true;
    say(`Saved as ${link.download}.`);
  }

  function discard() {
    try { localStorage.removeItem(key); } catch { /* then there is nothing to remove */ }
    for (const field of fields()) put(field, field.type === "checkbox" ? (field.defaultChecked ? "yes" : "") : field.defaultValue);
    judgeSignOff();
    byId("discard").hidden = true;
    say("Everything typed since this file was saved is gone.");
  }

  root.classList.add("scripted");
  for (const time of document.querySelectorAll("time")) { // in the reader's own zone, on hover
    const there = new Date(time.dateTime);
    if (!Number.isNaN(there.getTime())) time.title = there.toLocaleString();
  }
  const folds = () => [...document.querySelectorAll("main details")];
  byId("open-all").addEventListener("click", () => { for (const fold of folds()) fold.open = true; });
  for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
  for (const field of fields()) mirror(field);
  judgeSignOff();
  try {
    const draft = localStorage.getItem(key);
    if (draft) {
      say(`Restored what was typed here until ${new Date(restore(draft)).toLocaleString()}.`);
      byId("discard").hidden = false;
    }
  } catch { /* no storage, or not written by this page: the fields stay as the file has them */ }
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-field]")) return;
    mirror(event.target);
    judgeSignOff();
    keep();
  });
  addEventListener("storage", (event) => { // the same page in another tab
    if (event.key === key && event.newValue) restore(event.newValue);
  });
  addEventListener("beforeunload", (event) => { if (!kept) event.preventDefault(); });
  byId("add-action").addEventListener("click", () => {
    addAction().querySelector("[data-field]").focus();
    keep();
  });
  byId("save-copy").addEventListener("click", saveCopy);
  byId("discard").addEventListener("click", discard);
})();
