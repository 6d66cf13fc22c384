// Talking to the program that this page comes from.

const KEY = "token";
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;

/** The token stays out of the address bar, the history and what is sent for the page itself. */
function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

const authorization = () => ({ Authorization: `Bearer ${token()}` });

async function answer(response) {
  const found = await response.json().catch(() => ({ error: `The program answered ${response.status}` }));
  if (!response.ok) throw new Error(found.error);
  return found;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The program that this page comes from does not answer");
  }
  return answer(response);
}

export const get = (path) => request(path, { headers: authorization() });

export const post = (path, body) =>
  request(path, {
    method: "POST",
    headers: { ...authorization(), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

/**
 * Hear of every change, for as long as the page is open. EventSource cannot send the token, so the
 * stream is read here.
 */
export async function listen({ onEvent, onOpen, onLost }) {
  let pause = FIRST_PAUSE;
  for (;;) {
    let reason = "The program that this page comes from has ended. Waiting for it …";
    try {
      const response = await fetch("/api/events", { headers: authorization() });
      if (response.ok) {
        onOpen();
        pause = FIRST_PAUSE;
        await read(response.body, onEvent);
      } else {
        await answer(response).catch((error) => (reason = error.message));
      }
    } catch (error) {
      if (!(error instanceof TypeError)) console.error(error);
    }
    onLost(reason);
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

async function read(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (buffer + value).split("\n\n");
    buffer = events.pop();
    for (const event of events) {
      const found = /^event: (.*)\ndata: (.*)$/.exec(event);
      if (found) onEvent(JSON.parse(found[1]), JSON.parse(found[2]));
    }
  }
}
