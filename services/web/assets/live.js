// Keeps an open page live: takes over regions as they change, and says so when that stops or the server is another.

import { replace } from "./regions.js";
import { follow } from "./stream.js";

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content;
const banner = document.getElementById("connection");
let lostAt = null;
let outdated = false;
// Regions in which the reader is selecting text: they follow once that is over.
const postponed = new Map();

function show(text, reload) {
  banner.replaceChildren(text);
  if (reload) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Reload";
    button.addEventListener("click", () => location.reload());
    banner.append(" ", button);
  }
  banner.hidden = false;
}

function take({ id, html }) {
  if (replace(id, html) === "busy") postponed.set(id, html);
  else postponed.delete(id);
}

document.addEventListener("selectionchange", () => {
  for (const [id, html] of [...postponed]) take({ id, html });
});

follow(meta("spark-live"), {
  hello({ build }) {
    lostAt = null;
    document.body.classList.remove("lost");
    outdated = build !== meta("spark-build");
    if (outdated) show("Spark was updated: this page is of an older build.", true);
    else banner.hidden = true;
  },
  region(changed) {
    // Regions of another build may not fit this page's styles.
    if (!outdated) take(changed);
  },
  lost() {
    lostAt ??= new Date();
    document.body.classList.add("lost");
    show(`Not live since ${lostAt.toLocaleTimeString([], { hour12: false })}: Spark does not answer. Trying again.`, false);
  },
});
