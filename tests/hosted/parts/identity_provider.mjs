// An OpenID provider: `node identity_provider.mjs PATH-OF-OIDC-PROVIDER`; the first line of stdin is its configuration.
// Each further line is a command, which is answered with a line. It ends when stdin ends.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

console.info = console.warn; // stdout is for the answers
const library = pathToFileURL(process.argv[2]);
const { Provider } = await import(library);
const { createMemoryAdapter } = await import(new URL("adapters/memory_adapter.js", library));
const adapter = createMemoryAdapter(); // clients and logins outlive a change of keys
const server = createServer();
let { port, jwks, scopes, claims, clients } = {};
let tokens = "jwt";

const provider = () =>
  new Provider(`http://127.0.0.1:${port}`, {
    adapter, jwks, scopes: ["openid", "offline_access", ...scopes], clients, cookies: { keys: ["of the tests"] },
    extraTokenClaims: (_, token) => claims[token.accountId ?? token.clientId],
    features: {
      devInteractions: { enabled: true }, // its pages for login and consent, which take any password
      registration: { enabled: true }, clientCredentials: { enabled: true }, introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_, client) => client.default_resource,
        getResourceServerInfo: (_, resource) => ({ scope: scopes.join(" "), audience: resource, accessTokenFormat: tokens, jwt: { sign: { alg: "RS256" } } }),
        useGrantedResource: () => true,
      },
    },
  });

const serve = () => { server.removeAllListeners("request"); server.on("request", provider().callback()); };

const commands = {
  configure(given) { ({ port, jwks, scopes, claims, clients } = given); serve(); return commands.back(); },
  back: () => new Promise((done) => server.listen(port, "127.0.0.1", done)),
  away: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }),
  rotate(given) { jwks = given.jwks; serve(); },
  tokens(given) { tokens = given.format; },
};

for await (const line of createInterface({ input: process.stdin })) {
  const given = JSON.parse(line);
  await commands[given.command](given);
  console.log("done");
}
process.exit();
