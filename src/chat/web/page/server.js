/** Talks to Vigil. Every change carries this page's token, which another site cannot read. */
let token = null;

async function session() {
  const response = await fetch("/api/session", { cache: "no-store" });
  token = (await response.json()).token;
}

/** @returns {Promise<{ok: boolean, body: object}>} */
export async function post(path, body) {
  for (let attempt = 0; ; attempt++) {
    if (token === null) await session();
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-vigil-token": token },
      body: JSON.stringify(body),
    });
    // After a restart of Vigil the token is another one.
    if (response.status === 403 && attempt === 0) {
      token = null;
      continue;
    }
    return { ok: response.ok, body: await response.json().catch(() => ({ error: `The server answered ${response.status}.` })) };
  }
}

/** @returns {Promise<{ok: boolean, body: object}>} */
export async function get(path) {
  const response = await fetch(path, { cache: "no-store" });
  return { ok: response.ok, body: await response.json().catch(() => ({ error: `The server answered ${response.status}.` })) };
}

/** Follows the channel; the browser reconnects by itself and names the last message it has. */
export function follow({ onMessage, onState, onOpen, onLost }) {
  const source = new EventSource("/api/events");
  source.addEventListener("message", (event) => onMessage(JSON.parse(event.data)));
  source.addEventListener("state", (event) => onState(JSON.parse(event.data)));
  source.addEventListener("caught-up", () => onOpen());
  source.addEventListener("error", () => {
    onLost();
    if (source.readyState === EventSource.CLOSED) {
      source.close();
      setTimeout(() => follow({ onMessage, onState, onOpen, onLost }), 2_000);
    }
  });
}
