// The host of the studio's page in the browser. The page runs in a frame without an origin and asks by messages, as in
// every host of MCP Apps (JSON-RPC 2.0); what needs the server is sent on to it, with the token that the page never sees.

const frame = document.getElementById("page");
const notice = document.getElementById("notice");
const question = document.getElementById("question");
const dark = matchMedia("(prefers-color-scheme: dark)");

const PROTOCOL = "2026-01-26";
const NO_METHOD = -32601;
const FAILED = -32000;
const ENDED = "The studio's command has ended. What was paid for is saved. Start it again in the terminal.";
const NO_TOKEN = "Open the whole address that the command `gpt-image-2-mcp studio` has printed.";

async function readToken() {
  const given = location.hash.slice(1);
  if (given.startsWith("once=")) {
    const answer = await fetch("/token", { method: "POST", body: given.slice(5) });
    if (answer.ok) sessionStorage.setItem("token", await answer.text());
    history.replaceState(null, "", "/");
  } else if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", "/");
  }
  return sessionStorage.getItem("token");
}

const token = await readToken();

function tell(words) {
  notice.textContent = words;
  notice.hidden = false;
}

function send(message) {
  // The frame's origin is opaque and has no name to send to; only this page has made what is in the frame.
  frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

class Failure extends Error {
  constructor(code, words) {
    super(words);
    this.code = code;
  }
}

async function ask(call) {
  let answer;
  try {
    answer = await fetch("/rpc", {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(call),
    });
  } catch {
    tell(ENDED);
    throw new Failure(FAILED, ENDED);
  }
  if (answer.status === 401) tell(NO_TOKEN);
  if (!answer.ok) throw new Failure(FAILED, await answer.text());
  notice.hidden = true;
  return answer.json();
}

let waiting = Promise.resolve();

// One question at a time: gives whether the person says yes.
function isAgreed(words) {
  const before = waiting;
  waiting = before.then(
    () =>
      new Promise((resolve) => {
        document.getElementById("words").textContent = words;
        question.returnValue = "";
        question.addEventListener("close", () => resolve(question.returnValue === "yes"), { once: true });
        question.showModal();
      }),
  );
  return waiting;
}
document.getElementById("yes").addEventListener("click", () => question.close("yes"));
document.getElementById("no").addEventListener("click", () => question.close("no"));

async function callTool({ name, arguments: given = {} }) {
  if (name !== "studio_app") throw new Failure(NO_METHOD, `There is no tool ${name} here.`);
  let answer = await ask({ arguments: given });
  while (answer.question) {
    if (!(await isAgreed(answer.question))) {
      const text = "You did not agree to the price. Nothing was sent and nothing was billed.";
      return { content: [{ type: "text", text }], isError: true };
    }
    answer = await ask({ arguments: given, agreed: answer.question });
  }
  return { content: [{ type: "text", text: answer.text }], isError: answer.is_error };
}

function bytesOf(resource) {
  if (resource.blob === undefined) return resource.text ?? "";
  return Uint8Array.from(atob(resource.blob), (letter) => letter.charCodeAt(0));
}

function download({ contents }) {
  for (const { type, resource } of contents) {
    if (type !== "resource") throw new Failure(FAILED, "Only whole files are saved here.");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytesOf(resource)], { type: "application/octet-stream" }));
    link.download = decodeURIComponent(resource.uri.split("/").pop() || "picture");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
  return {};
}

function openLink({ url }) {
  if (!/^https?:\/\//i.test(url)) throw new Failure(FAILED, "Only addresses of the web are opened.");
  open(url, "_blank", "noopener,noreferrer");
  return {};
}

function context() {
  return {
    theme: dark.matches ? "dark" : "light",
    displayMode: "fullscreen",
    availableDisplayModes: ["fullscreen"],
    containerDimensions: { width: frame.clientWidth, height: frame.clientHeight },
    locale: navigator.language,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    platform: "web",
  };
}

const METHODS = {
  "ui/initialize": () => ({
    protocolVersion: PROTOCOL,
    hostInfo: { name: "gpt-image-2-mcp studio", version: "1" },
    hostCapabilities: { serverTools: {}, downloadFile: {}, openLinks: {}, logging: {} },
    hostContext: context(),
  }),
  "tools/call": callTool,
  "ui/download-file": download,
  "ui/open-link": openLink,
  "ui/request-display-mode": () => ({ mode: "fullscreen" }),
  ping: () => ({}),
};

const NOTIFICATIONS = {
  "ui/notifications/initialized": () => {
    const text = "The studio was opened in the browser.";
    send({ method: "ui/notifications/tool-input", params: { arguments: {} } });
    send({ method: "ui/notifications/tool-result", params: { content: [{ type: "text", text }] } });
  },
  "notifications/message": ({ level, data }) => console.info(level, data),
};

addEventListener("message", async ({ source, data }) => {
  if (source !== frame.contentWindow || data?.jsonrpc !== "2.0" || typeof data.method !== "string") return;
  const { id, method, params = {} } = data;
  if (id === undefined) {
    if (Object.hasOwn(NOTIFICATIONS, method)) NOTIFICATIONS[method](params);
    return;
  }
  try {
    if (!Object.hasOwn(METHODS, method)) throw new Failure(NO_METHOD, `This host has no ${method}.`);
    send({ id, result: await METHODS[method](params) });
  } catch (error) {
    send({ id, error: { code: error.code ?? FAILED, message: String(error.message) } });
  }
});

function tellContext() {
  send({ method: "ui/notifications/host-context-changed", params: context() });
}

if (token) {
  frame.src = "/page";
  dark.addEventListener("change", tellContext);
  addEventListener("resize", tellContext);
} else {
  tell(NO_TOKEN);
}
