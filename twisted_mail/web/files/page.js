// Keeps the parts of the page that are marked data-live up to date, while somebody can see it and writes nothing there.
"use strict";

const INTERVAL = 5000; // milliseconds

async function refresh() {
  const parts = document.querySelectorAll("[data-live]");
  if (parts.length === 0) {
    return;
  }
  if (!document.hidden) {
    const reply = await fetch(location.href, { headers: { "X-Refresh": "1" }, cache: "no-store" });
    if (reply.status === 401) {
      location.reload(); // the session is over: the way to the login
      return;
    }
    if (reply.ok) {
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      for (const part of parts) {
        const other = fresh.getElementById(part.id);
        if (other && !part.contains(document.activeElement) && !part.querySelector("details[open]")) {
          part.replaceChildren(...other.childNodes);
        }
      }
    }
  }
  setTimeout(refresh, INTERVAL);
}

setTimeout(refresh, INTERVAL);
