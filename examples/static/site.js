// Follows the session on the home page and calls the other service from it. Without scripts the page shows the session
// as it was loaded, and its forms work.
"use strict";

const together = document.getElementById("together");
const { api, events, failed, live, down, nobody, hidden } = together.dataset;

const say = (id, text) => {
  const place = document.getElementById(id);
  if (place) place.textContent = text;
};

const call = async (path, options) => {
  const response = await fetch(api + path, { credentials: "include", ...options });
  if (!response.ok) throw new Error(response.status);
  return response.status === 204 ? null : response.json();
};

// Fills one of the two views. All values are inserted as text.
const show = (view, { user, handle, created, expires, entries }) => {
  const place = (name) => document.querySelector(`#${view} [data-show="${name}"]`);
  const facts = { user: user ?? nobody, handle: handle ?? "–", created: created ?? "–", expires: expires ?? "–" };
  for (const [name, text] of Object.entries(facts)) place(name).textContent = text;
  place("entries").replaceChildren(...entries.map(({ name, value }) => {
    const [item, code, text] = ["li", "code", "span"].map((tag) => document.createElement(tag));
    code.textContent = name;
    text.textContent = value ?? hidden;
    item.append(code, " ", text);
    return item;
  }));
};

const askApi = async () => {
  try {
    const session = await call("/api/session");
    const me = session.authenticated ? await call("/api/me") : null;
    const preferences = Object.entries(await call("/api/preferences"));
    const entries = preferences.map(([name, value]) => ({ name: `pref.${name}`, value: JSON.stringify(value) }));
    if (session.visits > 0) entries.push({ name: "visits", value: String(session.visits) });
    const { handle, created_at: created, expires_at: expires } = session;
    show("view-api", { user: me?.username, handle, created, expires, entries });
  } catch {
    say("live-said", down);
  }
};

const AGAIN_MS = 10_000;
let source = null;
let again = null;
const follow = () => {
  clearTimeout(again);
  source?.close();
  source = new EventSource(events);
  let failures = 0;
  source.addEventListener("open", () => { failures = 0; });
  // The browser reconnects after the end of a stream, which counts as one failure; it does not after an invalid answer.
  source.addEventListener("error", ({ target }) => {
    failures += 1;
    const isOver = target.readyState === EventSource.CLOSED;
    if (isOver || failures > 1) say("live-said", down);
    if (isOver) again = setTimeout(follow, AGAIN_MS);
  });
  source.addEventListener("message", ({ data }) => {
    const view = JSON.parse(data);
    show("view-site", view);
    say("visits", view.visits ?? "–");
    say("live-said", live);
    const empty = document.getElementById("no-session");
    if (empty) empty.hidden = view.handle !== null;
    askApi();
  });
  source.addEventListener("down", () => say("live-said", down));
};

// Changes at the API show at the site without a reload. A new session has a new cookie, which only a new stream sends.
const doAtApi = async (said, path, options) => {
  try {
    await call(path, options);
    say(said, "");
    follow();
  } catch {
    say(said, failed);
  }
};

const put = (name, value) => [
  `/api/preferences/${name}`,
  { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) },
];

const onSubmit = (id, action) => document.getElementById(id)?.addEventListener("submit", (event) => {
  event.preventDefault();
  action(event.target);
});

for (const element of document.querySelectorAll(".script-only")) element.hidden = false;
onSubmit("count", () => doAtApi("count-said", "/api/visits", { method: "POST" }));
onSubmit("leave", () => doAtApi("leave-said", "/api/logout", { method: "POST" }));
onSubmit("write", (form) => doAtApi("write-said", ...put("note", form.elements.note.value)));
onSubmit("preferences", () => {});
document.getElementById("preferences").addEventListener("change", async ({ target }) => {
  try {
    await call(...put(target.name, target.value));
    location.reload();
  } catch {
    say("preferences-said", failed);
  }
});
// A page restored from the browser's memory follows again; a page that is left closes its connection.
addEventListener("pageshow", follow);
addEventListener("pagehide", () => {
  clearTimeout(again);
  source?.close();
});
