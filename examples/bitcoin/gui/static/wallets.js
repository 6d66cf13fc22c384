// The wallets: what they hold, and what they do.

import { announce } from "./announce.js";
import { post } from "./api.js";
import { onSubmit, open, setUp as setUpDialog } from "./dialogs.js";
import { $, el, list, optional, text, time } from "./dom.js";
import * as format from "./format.js";
import * as node from "./node.js";

const KEY = "wallet";
const ADDRESSES = 5;

const wallets = new Map();
const rescans = new Map();
let names = null;
let chosen = sessionStorage.getItem(KEY);
const made = new Set(); // addresses that were made on this page, the last one last
let prepared = null;

/** The name of the wallet that is shown, or null. */
export const current = () => (names?.loaded.includes(chosen) ? chosen : names?.loaded[0]) ?? null;

export function showWallets(found) {
  names = found;
  for (const name of wallets.keys()) if (!found?.loaded.includes(name)) wallets.delete(name);
  show();
}

export function showWallet(name, wallet) {
  const before = wallets.get(name);
  if (!wallet) wallets.delete(name);
  else {
    wallets.set(name, wallet);
    if (before) tellOfPayments(before, wallet);
  }
  show();
}

export function showRescan(name, rescan) {
  if (rescan) rescans.set(name, rescan);
  else rescans.delete(name);
  show();
}

function tellOfPayments(before, after) {
  const known = new Set(before.payments.map((payment) => payment.txid));
  const sums = new Map();
  for (const { txid, amount, coinbase } of after.payments) {
    if (known.has(txid)) continue;
    const verb = amount < 0 ? "sent" : coinbase ? "mined" : "received";
    sums.set(verb, (sums.get(verb) ?? 0) + Math.abs(amount));
  }
  for (const [verb, sum] of sums) announce(`${after.name} has ${verb} ${format.btc(sum)} BTC`);
}

/** Show everything anew; what has not changed stays. */
export function show() {
  const name = current();
  const wallet = wallets.get(name);
  list($("wallet-tabs"), (names?.loaded ?? []).map((each) => ({ each, on: each === name })),
    ({ each }) => each,
    ({ each, on }) => el("li", {}, el("button", {
      type: "button", className: "tab", "aria-current": String(on), onclick: () => choose(each),
    }, each)));
  $("load-wallet").hidden = !names?.others.length;
  $("wallet-gone").hidden = !names || node.isUp("wallet");
  $("wallet").hidden = !wallet;
  optional("no-wallet", !wallet && (names === null
    ? "The wallet process is not running yet. The page will show it when it comes."
    : names.loaded.length ? "Looking into the wallet …"
    : "There is no wallet yet. Create one: it takes a name and nothing else."));
  const all = [...wallets.values()].map(({ balances: b }) =>
    b.balance + b.unconfirmed_balance + b.immature_balance);
  text("total", names ? format.btc(all.reduce((sum, each) => sum + each, 0)) : "–");
  text("mine-for", name ? `for ${name}` : "");
  if (wallet) showCurrent(wallet);
}

function showCurrent(wallet) {
  const { balances, payments, addresses } = wallet;
  text("balance", format.btc(balances.balance));
  const part = (amount, what) => amount ? `${format.btc(amount, { sign: true })} ${what}` : "";
  optional("unconfirmed", part(balances.unconfirmed_balance, "on its way"));
  optional("immature", part(balances.immature_balance, "mined, not spendable yet"));
  optional("nonmempool", part(balances.nonmempool_balance, "not in the mempool"));
  optional("lock-state", !wallet.encrypted ? "" : wallet.locked ? "locked" : "unlocked");
  $("encrypt").hidden = wallet.encrypted;
  $("unlock").hidden = !wallet.locked;
  $("lock").hidden = !wallet.encrypted || wallet.locked;

  const rescan = rescans.get(wallet.name);
  $("rescan").hidden = !rescan;
  if (rescan) {
    text("rescan-title", `${rescan.title} ${rescan.percent} %`);
    $("rescan-bar").value = rescan.percent;
  }

  const order = [...made];
  const newest = [...addresses].sort((a, b) => order.indexOf(b.address) - order.indexOf(a.address));
  list($("addresses"), newest.slice(0, ADDRESSES), (each) => each.address, (each) =>
    el("li", {},
      el("span", { className: "mono address" }, each.address),
      el("span", { className: "muted" }, each.label),
      el("button", {
        type: "button", className: "quiet", onclick: () => copy(each.address),
        "aria-label": `Copy ${each.address}`,
      }, "Copy")));

  $("no-payments").hidden = payments.length > 0;
  const tip = node.height();
  list($("payments"), payments.map((each) => ({ ...each, confirmations: confirmations(each, tip) })),
    (each) => each.txid, showPayment);
  optional("more-payments", wallet.more > 0 && `and ${format.count(wallet.more)} older ones`);
}

const confirmations = (payment, tip) =>
  payment.height === null || tip === null ? 0 : Math.max(1, tip - payment.height + 1);

function showPayment(payment) {
  const { state } = payment;
  const words = {
    waiting: "waiting for a block", conflicted: "conflicted", abandoned: "abandoned",
    immature: `spendable in ${format.plural(payment.matures, "block", "blocks")}`,
    confirmed: format.plural(payment.confirmations, "confirmation", "confirmations"),
  };
  const kind = payment.amount < 0 ? "Sent" : payment.coinbase ? "Mined" : "Received";
  const whom = payment.label || payment.addresses.map((each) => format.short(each)).join(", ");
  return el("li", { className: `line payment ${state}` },
    el("span", { className: "main" },
      el("strong", {}, kind), " ",
      el("span", { className: payment.label ? "muted" : "mono muted" }, whom)),
    el("span", { className: `number ${payment.amount < 0 ? "out" : "in"}` },
      `${format.btc(payment.amount, { sign: true })} BTC`),
    el("span", { className: "muted details" },
      words[state], " · ", time(payment.time, format),
      payment.fee ? ` · fee ${format.btc(payment.fee)}` : ""));
}

function choose(name) {
  chosen = name;
  sessionStorage.setItem(KEY, name);
  show();
}

async function copy(address) {
  try {
    await navigator.clipboard.writeText(address);
    announce("Copied");
  } catch {
    announce("The browser does not let this page copy: select the address instead");
  }
}

async function act(button, path) {
  button.disabled = true;
  try {
    await post(path, { wallet: current() });
  } catch (problem) {
    announce(problem.message);
  } finally {
    button.disabled = false;
  }
}

export function setUp() {
  $("create-wallet").onclick = () => open("create-dialog");
  $("load-wallet").onclick = () => {
    $("load-name").replaceChildren(...names.others.map((name) => el("option", { value: name }, name)));
    open("load-dialog");
  };
  $("encrypt").onclick = () => open("encrypt-dialog");
  $("unlock").onclick = () => open("unlock-dialog");
  $("lock").onclick = (event) => act(event.target, "/api/lock");
  $("abort-rescan").onclick = (event) => act(event.target, "/api/abort-rescan");

  setUpDialog("create-dialog", async ({ name, passphrase }) => {
    await post("/api/create-wallet", { name, passphrase });
    choose(name.trim());
  });
  setUpDialog("load-dialog", async ({ wallet }) => {
    await post("/api/load-wallet", { wallet });
    choose(wallet);
  });
  setUpDialog("unlock-dialog", ({ passphrase }) => post("/api/unlock", { wallet: current(), passphrase }));
  setUpDialog("encrypt-dialog", ({ passphrase, again }) => {
    if (passphrase !== again) throw new Error("The two passphrases are not the same");
    return post("/api/encrypt", { wallet: current(), passphrase });
  });
  setUpDialog("confirm-dialog", async () => {
    await post("/api/send-payment", prepared);
    $("send").reset();
  });

  onSubmit($("receive"), async ({ label }) => {
    const { address } = await post("/api/new-address", { wallet: current(), label });
    made.add(address);
    $("receive").reset();
  });
  onSubmit($("send"), async ({ address, amount, subtract_fee }) => {
    const wallet = current();
    const payment = await post("/api/prepare-payment", { wallet, address, amount, subtract_fee });
    prepared = { wallet, id: payment.id };
    text("confirm-address", payment.address);
    text("confirm-amount", format.btc(payment.amount));
    text("confirm-fee", format.btc(payment.fee));
    text("confirm-total", format.btc(payment.amount + payment.fee));
    open("confirm-dialog");
  });
}
