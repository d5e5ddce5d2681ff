// What pages can't do by themselves. Every page works without this file.
"use strict";

// ── Focus ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The first thing in `root` that needs mending: the summary of errors, else the first wrong field. */
function firstError(root) {
  return root.querySelector("#conflict:not([data-seen])") ?? root.querySelector("#error-summary:not([data-seen])") ?? root.querySelector("[aria-invalid='true']:not([data-seen])");
}

function focusError(root) {
  const error = firstError(root);
  if (!error) return false;
  for (const seen of root.querySelectorAll("#conflict, #error-summary, [aria-invalid='true']")) seen.dataset.seen = "";
  const dialog = error.closest("dialog");
  if (dialog && !dialog.matches(":modal")) {
    dialog.close();
    dialog.showModal();
  }
  error.focus();
  return true;
}

function focusHeading() {
  document.getElementById("page-title")?.focus({ preventScroll: true });
}

// The swap takes the focused element away; afterwards it is too late to ask where the focus was.
let focusWasInside = false;

document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const target = ctx.target instanceof Element ? ctx.target : null;
  focusWasInside = Boolean(target?.contains(document.activeElement) && document.activeElement !== document.body);
});

/** A live region outside of what is swapped speaks only when its words change. */
function announce() {
  for (const { dataset } of document.querySelectorAll("[data-announce]")) {
    const region = document.getElementById(dataset.announceIn);
    if (region && region.textContent !== dataset.announce) region.textContent = dataset.announce;
  }
}

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  announce();
  const wholePage = ctx.target === document.body;
  if (wholePage) settle();
  if (focusError(document)) return;
  if (wholePage) {
    if (!document.activeElement?.hasAttribute("autofocus")) focusHeading();
  } else if (focusWasInside && document.activeElement === document.body) {
    const target = ctx.target.isConnected ? ctx.target : document.getElementById(ctx.target.id);
    if (!target) return;
    if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
    target.focus({ preventScroll: true });
  }
});

// ── Toasts ────────────────────────────────────────────────────────────────────────────────────────────────────────

const TOAST_STAYS_MS = 8000;

/** Messages of a fresh page are put in once more, because a live region speaks only about changes. */
function announceToasts() {
  const region = document.getElementById("toasts");
  const toasts = [...(region?.children ?? [])];
  if (!toasts.length) return;
  region.replaceChildren();
  setTimeout(() => region.append(...toasts), 100);
}

/** Good news goes by itself, unless it offers an undo; an error stays until it is closed. */
function expire(toast) {
  if (toast.classList.contains("toast-error") || toast.querySelector("form")) return;
  const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, TOAST_STAYS_MS) : toast.remove());
  setTimeout(leave, TOAST_STAYS_MS);
}

const toastWatcher = new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) if (node instanceof Element && node.matches("[data-toast]")) expire(node);
  }
});

document.addEventListener("click", ({ target }) => {
  target.closest("[data-close-toast]")?.closest("[data-toast]").remove();
});

// ── Forms ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// A post may answer with a file, and then the page stays: nobody may be locked out for longer than this.
const BUSY_AT_MOST_MS = 10000;

function release(form) {
  form.removeAttribute("aria-busy");
  for (const button of form.querySelectorAll("[aria-disabled='true'][type='submit']")) button.removeAttribute("aria-disabled");
}

// aria-disabled rather than disabled: the button keeps the focus and its name and value are still sent.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.getAttribute("method") !== "post") return;
    if (form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    form.setAttribute("aria-busy", "true");
    for (const button of form.querySelectorAll("[type='submit']")) button.setAttribute("aria-disabled", "true");
    setTimeout(release, BUSY_AT_MOST_MS, form);
  },
  true,
);

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const form = ctx.request.form ?? ctx.sourceElement?.closest("form");
  if (form) release(form);
});

window.addEventListener("pageshow", () => document.querySelectorAll("form[aria-busy='true']").forEach(release));

function readableSize(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

document.addEventListener("change", ({ target }) => {
  if (target.type !== "file") return;
  const note = document.querySelector(`[data-chosen-for="${CSS.escape(target.id)}"]`);
  if (note) note.textContent = [...target.files].map(({ name, size }) => `${name} · ${readableSize(size)}`).join(", ");
});

/** Shows only the entries of a list that hold what is typed; Enter asks the server. */
document.addEventListener("input", ({ target }) => {
  const list = target.dataset.filters && document.getElementById(target.dataset.filters);
  if (!list) return;
  const words = target.value.trim().toLowerCase();
  for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(words);
});

/** The sum of some percentages, in hundredths, so that 33.33 + 33.33 + 33.34 is exactly 100. */
function showSum(parts) {
  const output = document.getElementById(parts.dataset.sum);
  const values = [...parts.querySelectorAll("[data-part]")].map(({ value }) => Math.round(Number(value.replace("%", "").trim()) * 100));
  const sum = values.reduce((total, value) => total + value, 0);
  const whole = Number(output.dataset.whole) * 100;
  output.textContent = Number.isNaN(sum) ? "" : `Now ${sum / 100} %${sum === whole ? "." : `: ${Math.abs(whole - sum) / 100} % too ${sum > whole ? "much" : "little"}.`}`;
  output.dataset.state = sum === whole ? "right" : "wrong";
}

document.addEventListener("input", ({ target }) => {
  const parts = target.closest("[data-sum]");
  if (parts) showSum(parts);
});

// ── Appearance ────────────────────────────────────────────────────────────────────────────────────────────────────

function markTheme() {
  const chosen = document.documentElement.dataset.bsTheme ?? "auto";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}

document.addEventListener("click", ({ target }) => {
  const choice = target.closest("[data-theme-choice]")?.dataset.themeChoice;
  if (!choice) return;
  if (choice === "auto") delete document.documentElement.dataset.bsTheme;
  else document.documentElement.dataset.bsTheme = choice;
  try {
    if (choice === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
  } catch {
    // Storage is switched off: the choice holds for this page.
  }
  markTheme();
});

// ── Dialogs in browsers without invoker commands ──────────────────────────────────────────────────────────────────

if (!("commandForElement" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (button?.getAttribute("command") === "show-modal") dialog?.showModal();
    if (button?.getAttribute("command") === "close") dialog?.close();
  });
}

// ── Each page ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a fresh page needs, loaded or swapped in. */
function settle() {
  const region = document.getElementById("toasts");
  if (region) toastWatcher.observe(region, { childList: true });
  announceToasts();
  markTheme();
  document.querySelectorAll("[data-sum]").forEach(showSum);
}

settle();
focusError(document);

// ── Values to copy, and forms that only carry something on ────────────────────────────────────────────────────────

document.addEventListener("click", async ({ target }) => {
  const button = target instanceof Element ? target.closest("[data-copies]") : null;
  const field = button && document.getElementById(button.dataset.copies);
  if (!field) return;
  field.select();
  const said = document.getElementById(`${field.id}-copied`);
  try {
    await navigator.clipboard.writeText(field.value);
    said.textContent = "Copied.";
  } catch {
    said.textContent = "It is marked: copy it with Ctrl+C or ⌘C.";
  }
});

document.querySelector("form[data-submit-at-once]")?.requestSubmit();
