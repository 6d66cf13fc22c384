// Telling what has happened: to those who see, and to those who listen.

import { $, el } from "./dom.js";

const SHOWN_MS = 5000;
const MOST = 3;

export function announce(message) {
  $("announcements").append(el("p", {}, message));
  const toast = el("p", { className: "toast" }, message);
  const toasts = $("toasts");
  toasts.append(toast);
  while (toasts.children.length > MOST) toasts.firstChild.remove();
  setTimeout(() => toast.remove(), SHOWN_MS);
  while ($("announcements").children.length > MOST) $("announcements").firstChild.remove();
}
