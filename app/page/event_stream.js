// The events of a stream of the type text/event-stream.

/** @typedef {{id: string | null, type: string, data: any}} StreamEvent Heartbeats have the type "heartbeat". */

/**
 * Read the events of a stream until it ends.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {AsyncGenerator<StreamEvent>}
 */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks) yield parseEvent(block);
  }
}

/**
 * @param {string} block
 * @returns {StreamEvent}
 */
function parseEvent(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split(/\r?\n/)) {
    const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    fields[name] = name === "data" && fields.data !== undefined ? `${fields.data}\n${value}` : value;
  }
  const isEvent = fields.data !== undefined;
  return {
    id: fields.id ?? null,
    type: isEvent ? (fields.event ?? "message") : "heartbeat",
    data: isEvent ? JSON.parse(fields.data ?? "null") : null,
  };
}
