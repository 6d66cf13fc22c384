// The processes, the chain and the mempool.

import { announce } from "./announce.js";
import { get, post } from "./api.js";
import { onSubmit, open } from "./dialogs.js";
import { $, el, list, optional, text, time } from "./dom.js";
import * as format from "./format.js";

let up = new Map();
let tip = null;

export const isUp = (name) => Boolean(up.get(name));
export const height = () => tip?.height ?? null;

export function showProcesses(processes) {
  for (const { name, up: isUp } of processes) {
    if (up.has(name) && up.get(name) !== isUp) {
      announce(isUp ? `The ${name} is running` : `The ${name} is gone`);
    }
  }
  up = new Map(processes.map((process) => [process.name, process.up]));
  $("node-gone").hidden = !tip || Boolean(up.get("node"));
  list($("processes"), processes, (process) => process.name, (process) =>
    el("li", { className: process.up ? "up" : "down", title: process.text },
      el("span", { className: "dot", "aria-hidden": "true" }),
      el("span", { className: "name" }, process.name),
      " ",
      el("span", { className: "state" }, process.up ? "running" : "not running")));
}

/** What is shown may be old: the page itself has lost its program. */
export function forgetProcesses() {
  list($("processes"), [], String, String);
  up = new Map();
}

export function showChain(chain) {
  if (!chain) return;
  const before = tip;
  tip = chain;
  text("height", format.count(chain.height));
  $("last-block").replaceChildren(time(chain.time, format));
  $("catching-up").hidden = !chain.catching_up;
  if (before && before.hash !== chain.hash) announce(`Block ${chain.height} was added`);
}

export function showBlocks(blocks) {
  $("no-blocks").hidden = Boolean(blocks?.length);
  list($("blocks"), blocks ?? [], (block) => block.hash, (block) =>
    el("li", {},
      el("button", { type: "button", className: "line", onclick: () => showBlock(block.hash) },
        el("span", { className: "main" },
          el("strong", {}, format.count(block.height)),
          " ",
          el("span", { className: "mono muted" }, format.short(block.hash))),
        el("span", { className: "muted side" },
          format.plural(block.transactions, "transaction", "transactions"),
          " · ",
          time(block.time, format)))));
}

async function showBlock(hash) {
  let block;
  try {
    block = await get(`/api/blocks/${hash}`);
  } catch (problem) {
    announce(problem.message);
    return;
  }
  text("block-title", `Block ${format.count(block.height)}`);
  const fact = (name, value, mono = false) =>
    el("div", {}, el("dt", {}, name), el("dd", { className: mono ? "mono" : "" }, value));
  $("block-facts").replaceChildren(
    fact("Hash", block.hash, true),
    fact("Time", format.exactly(block.time)),
    fact("Size", `${format.count(block.size)} bytes, weight ${format.count(block.weight)}`),
    fact("Merkle root", block.merkle_root, true),
    fact("Bits and nonce", `${block.bits}, ${block.nonce}`, true),
    fact("Version", block.version.toString(16), true),
  );
  const { previous } = block;
  if (block.height > 0) {
    const before = el("button", { type: "button", className: "quiet", onclick: () => showBlock(previous) },
      format.short(previous));
    $("block-facts").append(el("div", {}, el("dt", {}, "Block before"), el("dd", { className: "mono" }, before)));
  }
  list($("block-transactions"), block.transactions, (tx) => tx.txid, (tx) =>
    el("li", { className: "transaction" },
      el("p", { className: "mono" }, format.short(tx.txid, 16)),
      el("p", { className: "muted" },
        tx.coinbase ? "new coins" : format.plural(tx.inputs, "input", "inputs"),
        ` · ${format.count(tx.vsize)} vbytes`),
      el("ul", {}, ...tx.outputs.map((output) =>
        el("li", {}, el("span", { className: "mono" }, output.address || "no address"),
          el("span", { className: "number" }, `${format.btc(output.amount)} BTC`))))));
  if (!$("block-dialog").open) open("block-dialog");
  $("block-dialog").scrollTop = 0;
}

export function showMempool(mempool) {
  if (!mempool) return;
  const { size, transactions } = mempool;
  text("mempool-size", format.count(size));
  $("mempool-empty").hidden = size > 0;
  list($("mempool"), transactions, (tx) => tx.txid, (tx) =>
    el("li", { className: "line" },
      el("span", { className: "main mono" }, format.short(tx.txid)),
      el("span", { className: "side" },
        el("span", { className: "muted" }, `${format.count(tx.vsize)} vB · `),
        el("span", { className: "number" }, `${format.btc(tx.amount)} BTC`))));
  optional("mempool-more", size > transactions.length && `and ${format.count(size - transactions.length)} more`);
}

export function setUp(wallet) {
  onSubmit($("mine"), async ({ count }) => {
    if (!wallet()) throw new Error("Create a wallet first: somebody has to be paid");
    await post("/api/mine", { wallet: wallet(), count: Number(count) });
  });
}
