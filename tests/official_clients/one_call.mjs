// One call of an official TypeScript client, as one_call.py makes it with the Python client:
// node one_call.mjs CLIENT TOOL ARGUMENTS COMMAND..., where CLIENT is "1", "2" or "2 auto" and ARGUMENTS are JSON.
//
// CLOSE_WITHIN_S in the environment is how long the client waits before it kills, in place of its own two seconds.
// It prints "called", the names of the tools and, if the answer comes, its text. A line on stdin closes the client.

import process from "node:process";
import { createInterface } from "node:readline";

const [name, tool, args, command, ...rest] = process.argv.slice(2);
const isFirst = name === "1";
const library = isFirst ? "@modelcontextprotocol/sdk/client" : "@modelcontextprotocol/client";
const { Client } = await import(isFirst ? `${library}/index.js` : library);
const { StdioClientTransport } = await import(isFirst ? `${library}/stdio.js` : `${library}/stdio`);

const options = name === "2 auto" ? { versionNegotiation: { mode: "auto" } } : {};
const client = new Client({ name: "official", version: "1" }, options);
await client.connect(new StdioClientTransport({ command, args: rest, env: process.env }));
const { tools } = await client.listTools();
console.log(`tools: ${tools.map((one) => one.name).join(" ")}`);
client.callTool({ name: tool, arguments: JSON.parse(args) }).then(
  (result) => console.log(`answer: ${JSON.stringify(result)}`),
  () => {},
);
console.log("called");
for await (const _ of createInterface({ input: process.stdin })) break;
const hurry = process.env.CLOSE_WITHIN_S;
const wait = setTimeout;
if (hurry) globalThis.setTimeout = (done, ms, ...more) => wait(done, ms === 2000 ? 1000 * hurry : ms, ...more);
await client.close();
console.log("closed");
process.exit(0);
