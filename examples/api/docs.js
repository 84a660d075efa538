"use strict";

// Follows the theme of the visitor's system, also when it changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

SwaggerUIBundle({
  // Relative to the page, which a proxy may show under another path.
  url: "../openapi.json",
  dom_id: "#api",
  deepLinking: true,
  // The validator would send the document's address to another host.
  validatorUrl: null,
});
