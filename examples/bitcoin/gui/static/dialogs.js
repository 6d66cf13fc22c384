// Dialogs and forms: what they ask for, and what went wrong.

import { $ } from "./dom.js";

/** What a form holds, by name. */
function values(form) {
  const found = Object.fromEntries(new FormData(form));
  for (const box of form.querySelectorAll("input[type=checkbox]")) found[box.name] = box.checked;
  return found;
}

/** Do something with what a form holds; an error is shown in the form, which then has the focus. */
export function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const error = form.querySelector(".error");
    const button = form.querySelector("[type=submit]");
    error.textContent = "";
    button.disabled = true;
    try {
      await act(values(form));
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      button.disabled = false;
    }
  });
}

export function open(id) {
  const dialog = $(id);
  const form = dialog.querySelector("form");
  if (form) {
    form.reset();
    form.querySelector(".error").textContent = "";
  }
  dialog.showModal();
  return dialog;
}

/** A dialog that does something, and closes when that has worked. */
export function setUp(id, act) {
  const dialog = $(id);
  onSubmit(dialog.querySelector("form"), async (given) => {
    await act(given);
    dialog.close();
  });
}

export function setUpClosing() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || "close" in event.target.dataset) dialog.close();
    });
    // What was typed into it does not stay there.
    dialog.addEventListener("close", () => dialog.querySelector("form")?.reset());
  }
}
