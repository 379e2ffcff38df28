// The header of a file of rows, read in the browser: the service names no columns of a file that it cannot read.

const MAX_BYTES = 65_536;
const MAX_HEADERS = 100;
const DELIMITERS = [",", ";", "\t", "|"];
/** A cell: with quotes, in which a quote is doubled, or plain text. */
const CELL = /^(?:"((?:[^"]|"")*)"|([^"]*))$/;

/**
 * Return the headers of a file.
 *
 * @param {File} file
 * @returns {Promise<string[]>} Empty if the file is no table in plain text.
 */
export async function readHeader(file) {
  const bytes = new Uint8Array(await file.slice(0, MAX_BYTES).arrayBuffer());
  const text = new TextDecoder(encodingOf(bytes)).decode(bytes);
  const line = text.split(/\r?\n|\r/).find((each) => each.trim() !== "") ?? "";
  const cells = DELIMITERS.map((delimiter) => splitCells(line, delimiter)).reduce((a, b) =>
    b.length > a.length ? b : a,
  );
  const isTable = cells.length > 1 && cells.length <= MAX_HEADERS && !line.includes("\0");
  return isTable ? cells.filter((cell) => cell !== "") : [];
}

/** @param {Uint8Array} bytes */
function encodingOf([first, second]) {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
}

/**
 * @param {string} line
 * @param {string} delimiter
 */
function splitCells(line, delimiter) {
  /** @type {string[]} */
  const cells = [];
  let cell = "";
  for (const part of line.split(delimiter)) {
    cell = cell === "" ? part : `${cell}${delimiter}${part}`;
    const match = CELL.exec(cell.trim());
    // A delimiter inside of quotes is part of the cell.
    if (!match && cell.trim().startsWith('"')) continue;
    cells.push((match?.[1]?.replaceAll('""', '"') ?? cell).trim());
    cell = "";
  }
  return cells;
}
