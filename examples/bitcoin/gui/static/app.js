// The page: what comes from the program is shown, what the user wants goes there.

import { listen } from "./api.js";
import { setUpClosing } from "./dialogs.js";
import { $, optional } from "./dom.js";
import * as format from "./format.js";
import * as node from "./node.js";
import * as wallets from "./wallets.js";

const MINUTE = 60_000;

function show(topic, value) {
  const [kind, ...rest] = topic.split(":");
  const name = rest.join(":");
  switch (kind) {
    case "processes": node.showProcesses(value ?? []); return wallets.show();
    case "chain": node.showChain(value); return wallets.show();
    case "blocks": return node.showBlocks(value);
    case "mempool": return node.showMempool(value);
    case "wallets": return wallets.showWallets(value);
    case "wallet": return wallets.showWallet(name, value);
    case "rescan": return wallets.showRescan(name, value);
  }
}

setUpClosing();
node.setUp(wallets.current);
wallets.setUp();
setInterval(() => {
  for (const each of document.querySelectorAll("time.ago")) each.textContent = format.ago(each.dateTime);
}, MINUTE / 4);
listen({
  onEvent: show,
  onOpen: () => optional("notice", ""),
  onLost: (reason) => {
    optional("notice", reason);
    node.forgetProcesses();
  },
});
