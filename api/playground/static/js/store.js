// Keeps conversations and votes in this browser's IndexedDB. Nothing is sent anywhere.

const NAME = "qwenvld";
const VERSION = 1;

let opened = null;
// memory stands in where a browser keeps nothing, as in some private windows.
const memory = { conversations: new Map(), votes: new Map() };

function open() {
  opened ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, VERSION);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("votes", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
  return opened;
}

function run(store, mode, work) {
  return open().then((db) => {
    if (!db) return null;
    return new Promise((resolve, reject) => {
      const t = db.transaction(store, mode);
      const request = work(t.objectStore(store));
      t.oncomplete = () => resolve(request?.result);
      t.onerror = t.onabort = () => reject(t.error);
    });
  });
}

async function all(store) {
  return (await run(store, "readonly", (s) => s.getAll())) ?? [...memory[store].values()];
}

async function put(store, value) {
  memory[store].set(value.id, value);
  await run(store, "readwrite", (s) => s.put(value));
}

async function remove(store, id) {
  memory[store].delete(id);
  await run(store, "readwrite", (s) => s.delete(id));
}

// newID is the id of a conversation or a vote.
export function newID() {
  return crypto.getRandomValues(new Uint32Array(3)).join("-");
}

// conversations are all of them, the one last changed first.
export async function conversations() {
  return (await all("conversations")).sort((a, b) => b.updated - a.updated);
}

export const saveConversation = (c) => put("conversations", c);
export const removeConversation = (id) => remove("conversations", id);
export const votes = () => all("votes");
export const saveVote = (v) => put("votes", v);
export async function clearVotes() {
  for (const v of await votes()) await remove("votes", v.id);
}
