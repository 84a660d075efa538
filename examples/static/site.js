// Calls the other service from this page. Without it the page lacks these two controls and nothing else.
"use strict";

const say = (id, text) => { document.getElementById(id).textContent = text; };

const { api, failed } = document.getElementById("together").dataset;

const call = async (path, options) => {
  const response = await fetch(api + path, { credentials: "include", ...options });
  if (!response.ok) throw new Error(response.status);
  return response.status === 204 ? null : response.json();
};

for (const element of document.querySelectorAll(".script-only")) element.hidden = false;

const count = document.getElementById("count");
count.addEventListener("click", async () => {
  try {
    const { visits } = await call("/api/visits", { method: "POST" });
    say("visits", visits);
    say("count-said", "");
  } catch {
    say("count-said", failed);
  }
});

const preferences = document.getElementById("preferences");
preferences.addEventListener("submit", (event) => event.preventDefault());
preferences.addEventListener("change", async ({ target }) => {
  try {
    await call(`/api/preferences/${target.name}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(target.value),
    });
    location.reload();
  } catch {
    say("preferences-said", failed);
  }
});
