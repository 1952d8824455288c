/**
 * The messages between the page and the host that shows it: JSON-RPC 2.0 by `postMessage`, as the MCP Apps extension
 * says. The official types check them and add no byte.
 */
import type {
  McpUiDownloadFileRequest,
  McpUiDownloadFileResult,
  McpUiHostContext,
  McpUiInitializeRequest,
  McpUiInitializeResult,
  McpUiRequestDisplayModeRequest,
  McpUiRequestDisplayModeResult,
  McpUiSizeChangedNotification,
  McpUiToolCancelledNotification,
  McpUiToolInputNotification,
  McpUiToolResultNotification,
  McpUiUpdateModelContextRequest,
} from '@modelcontextprotocol/ext-apps';

export type ToolResult = McpUiToolResultNotification['params'];

/** What the page asks of the host: parameters and result of each method. */
interface Requests {
  'ui/initialize': [McpUiInitializeRequest['params'], McpUiInitializeResult];
  'ui/download-file': [McpUiDownloadFileRequest['params'], McpUiDownloadFileResult];
  'ui/request-display-mode': [McpUiRequestDisplayModeRequest['params'], McpUiRequestDisplayModeResult];
  'ui/update-model-context': [McpUiUpdateModelContextRequest['params'], object];
  'tools/call': [{ name: string; arguments: Record<string, unknown> }, ToolResult];
}

/** What the page tells the host. */
interface Notifications {
  'ui/notifications/initialized': object;
  'ui/notifications/size-changed': McpUiSizeChangedNotification['params'];
}

/** What the host tells the page, or asks of it. */
interface Incoming {
  'ui/notifications/tool-input': McpUiToolInputNotification['params'];
  'ui/notifications/tool-input-partial': McpUiToolInputNotification['params'];
  'ui/notifications/tool-result': ToolResult;
  'ui/notifications/tool-cancelled': McpUiToolCancelledNotification['params'];
  'ui/notifications/host-context-changed': McpUiHostContext;
  'ui/resource-teardown': object;
}

interface Message {
  jsonrpc: '2.0';
  id?: string | number;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code: number; message: string };
}

/** A host's proxy gives up after 60 seconds. */
const TIMEOUT_MS = 65_000;
const METHOD_NOT_FOUND = -32601;

/** The host did not answer, or could not do what was asked. What came of the request is not known. */
export class HostError extends Error {}

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  timer: number;
}

const waiting = new Map<string | number, Waiting>();
const handlers = new Map<string, (params: never) => void>();
let nextId = 1;

function post(message: Omit<Message, 'jsonrpc'>): void {
  // The host's origin is not known to the page, and nothing that is sent is a secret from the host.
  parent.postMessage({ jsonrpc: '2.0', ...message }, '*');
}

export function notify<M extends keyof Notifications>(method: M, params: Notifications[M]): void {
  post({ method, params });
}

/** Ask the host. Rejects with `HostError` if it refuses or does not answer. */
export function request<M extends keyof Requests>(method: M, params: Requests[M][0]): Promise<Requests[M][1]> {
  const id = nextId++;
  return new Promise((resolve, reject) => {
    const timer = window.setTimeout(() => {
      waiting.delete(id);
      reject(new HostError(`No answer: ${method}`));
    }, TIMEOUT_MS);
    waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
    post({ id, method, params });
  });
}

/** Have `handler` called with each message of this method. A request is answered with an empty result. */
export function on<M extends keyof Incoming>(method: M, handler: (params: Incoming[M]) => void): void {
  handlers.set(method, handler);
}

addEventListener('message', (event: MessageEvent<Message | null>) => {
  const message = event.data;
  if (event.source !== parent || message?.jsonrpc !== '2.0') return;
  if (message.method === undefined) settle(message);
  else receive(message.method, message);
});

function settle(message: Message): void {
  const asked = message.id === undefined ? undefined : waiting.get(message.id);
  if (!asked || message.id === undefined) return;
  waiting.delete(message.id);
  clearTimeout(asked.timer);
  if (message.error) asked.reject(new HostError(message.error.message));
  else asked.resolve(message.result);
}

function receive(method: string, message: Message): void {
  const handler = handlers.get(method);
  handler?.((message.params ?? {}) as never);
  if (message.id === undefined) return;
  if (handler || method === 'ping') post({ id: message.id, result: {} });
  else post({ id: message.id, error: { code: METHOD_NOT_FOUND, message: `Method not found: ${method}` } });
}
