// An official TypeScript client of a server over HTTP, for a person who logs in: node over_http.mjs CLIENT URL, where
// CLIENT is "1", "2" or "2 auto".
//
// It prints {"authorize": URL} when the person has to log in, and reads the address that the login leads back to. Then it
// prints {"protocol": …, "tools": […]}. Each further line is {"id": …, "tool": …, "arguments": …} or {"id": …, "read":
// URI}, and is answered with {"id": …, "result": …} or {"id": …, "failed": …}. It ends when stdin ends.
// CALL_WITHIN_S in the environment is how long a call may take, in place of the client's own minute, and
// NODE_EXTRA_CA_CERTS says which certificates it trusts.

import process from "node:process";
import { createInterface } from "node:readline";

const [name, url] = process.argv.slice(2);
const isFirst = name === "1";
const library = isFirst ? "@modelcontextprotocol/sdk/client" : "@modelcontextprotocol/client";
const { Client } = await import(isFirst ? `${library}/index.js` : library);
const { StreamableHTTPClientTransport } = await import(isFirst ? `${library}/streamableHttp.js` : library);
const { UnauthorizedError } = await import(isFirst ? `${library}/auth.js` : library);

const say = (value) => console.log(JSON.stringify(value));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const redirectUrl = "http://127.0.0.1:1/callback";

// What a client keeps of a login, in memory.
const kept = {};
const authProvider = {
  redirectUrl,
  clientMetadata: {
    client_name: `official TypeScript client ${name}`,
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => (kept.state = crypto.randomUUID()),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (address) => say({ authorize: String(address) }),
};

const connected = async () => {
  const options = name === "2 auto" ? { versionNegotiation: { mode: "auto" } } : {};
  const client = new Client({ name: "official", version: "1" }, options);
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || kept.tokens) throw error;
    const { searchParams } = new URL((await lines.next()).value);
    if (searchParams.get("state") !== kept.state) throw new Error("the state of the login is another one");
    await transport.finishAuth(isFirst ? searchParams.get("code") : searchParams);
    return connected();
  }
};

const client = await connected();
const { tools } = await client.listTools();
const protocol = isFirst ? client.transport.protocolVersion : client.getNegotiatedProtocolVersion();
say({ protocol, tools: tools.map((one) => one.name) });

const options = { timeout: 1000 * Number(process.env.CALL_WITHIN_S ?? "60") };
const answer = ({ tool, arguments: given, read }) => {
  if (read) return client.readResource({ uri: read }, options);
  const call = { name: tool, arguments: given };
  return isFirst ? client.callTool(call, undefined, options) : client.callTool(call, options);
};
for await (const line of lines) {
  const { id, ...request } = JSON.parse(line);
  answer(request).then((result) => say({ id, result }), (error) => say({ id, failed: String(error) }));
}
process.exit();
