// The rehearsal's battle server: rooms with chat and a timer over Socket.io, and the contract of
// docs/app-contract.md (CLIENT_URL, kill switch, /healthz, /metrics, graceful stop). Rooms live in memory: what
// outlives a server is what its players bring along when they reconnect. FAULT makes it a bad release.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const metrics = require("prom-client");
const { Server } = require("socket.io");

const PORT = Number(process.env.PORT ?? 3001);
const DRAIN_MS = 1000 * Number(process.env.DRAIN_SECONDS ?? 20);
const ROUND_MS = 1000 * Number(process.env.ROUND_SECONDS ?? 300);
const RELEASE = process.env.GIT_SHA ?? "unknown";
const FAULT = process.env.FAULT ?? "";
const KEPT_MESSAGES = 50;

// --- settings -----------------------------------------------------------------------------------------------

// A variable, or the content of the file that NAME_FILE names (Docker secrets).
function setting(name) {
  const file = process.env[`${name}_FILE`];
  return (file ? fs.readFileSync(file, "utf8").trim() : process.env[name]) || undefined;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function origins(text) {
  return text.split(",").map((entry) => {
    if (entry.startsWith("^")) {
      if (!entry.endsWith("$")) fail(`CLIENT_URL: the pattern ${entry} does not end with $`);
      return new RegExp(entry);
    }
    if (!URL.canParse(entry) || new URL(entry).origin !== entry) fail(`CLIENT_URL: ${entry} is no origin`);
    return entry;
  });
}

const NAMES = [
  "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "BATTLE_PASSWORD_PEPPER", "BATTLE_PASSWORD_PEPPER_PREVIOUS", "SENTRY_DSN",
  "EDGE_CONFIG",
];
const settings = Object.fromEntries(NAMES.map((name) => [name, setting(name)]));
const admitted = origins(setting("CLIENT_URL") ?? fail("CLIENT_URL is not set"));
const admits = (origin) =>
  origin !== undefined && admitted.some((entry) => (typeof entry === "string" ? entry === origin : entry.test(origin)));

if (FAULT === "crash") fail("FAULT=crash");
const DIES_MS = 1000 * Number(process.env.FAULT_AFTER_SECONDS ?? 5);
let death; // set by the first good answer, so that a busy machine sees it healthy first

// --- metrics ------------------------------------------------------------------------------------------------

metrics.collectDefaultMetrics();
const disconnects = new metrics.Counter({ name: "socket_disconnects_total", help: "Connections that ended" });
const connects = new metrics.Counter({
  name: "battle_connects_total",
  help: "Attempts to connect, by result",
  labelNames: ["result"],
});
for (const result of ["ok", "refused"]) connects.inc({ result }, 0); // a ratio needs both from the start
new metrics.Gauge({
  name: "socket_connections",
  help: "Connections that are open",
  collect() { this.set(io.of("/").sockets.size); },
});
new metrics.Gauge({ name: "battle_rooms", help: "Rooms with players", collect() { this.set(rooms.size); } });

// --- kill switch --------------------------------------------------------------------------------------------

// EDGE_CONFIG is Vercel's connection string, https://edge-config.vercel.com/ID?token=…; the item is `battle`.
let battle = "on"; // the last value read; "on" before one was read

async function readSwitch() {
  const url = new URL(settings.EDGE_CONFIG);
  url.pathname += "/item/battle";
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const value = answer.ok ? await answer.json() : undefined;
    if (value === "on" || value === "off") battle = value;
  } catch {
    // Cannot be reached: the last value holds.
  }
}

if (settings.EDGE_CONFIG) {
  readSwitch();
  setInterval(readSwitch, 1000 * Number(process.env.EDGE_CONFIG_SECONDS ?? 10));
}

// --- HTTP ---------------------------------------------------------------------------------------------------

let stopping = false; // takes no new connections
let status = FAULT === "healthz-500" ? "broken" : "ok";
const STATUS = { ok: 200, draining: 503, broken: 500 };

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (stopping) response.setHeader("Connection", "close");
  if (pathname === "/healthz") {
    if (FAULT === "hang") return;
    if (FAULT === "dies") death ??= setTimeout(fail, DIES_MS, "FAULT=dies");
    response.writeHead(STATUS[status], { "Content-Type": "application/json" });
    response.end(JSON.stringify({ status, release: RELEASE, battle }));
  } else if (pathname === "/metrics") {
    response.writeHead(200, { "Content-Type": metrics.register.contentType });
    response.end(await metrics.register.metrics());
  } else {
    response.writeHead(404).end();
  }
});

const io = new Server(server, {
  cors: { origin: admitted, credentials: true },
  // Browsers do not enforce CORS on a WebSocket handshake: the server itself must look at Origin.
  allowRequest(request, answer) {
    const ok = !stopping && admits(request.headers.origin);
    if (!ok) connects.inc({ result: "refused" });
    answer(null, ok);
  },
});

// --- rooms --------------------------------------------------------------------------------------------------

// room → { endsAt, chat: [{ id, text }] }. A chat id starts with its time, so that ids sort.
const rooms = new Map();

const isText = (value, length) => typeof value === "string" && value.length > 0 && value.length <= length;

// What a player remembers of the room completes what this server knows of it: after a rollout that is nothing.
// The sample believes its players; the real server keeps rooms where servers share them.
function merge(room, remembered) {
  const chat = new Map(room.chat.map((message) => [message.id, message]));
  for (const { id, text } of Array.isArray(remembered.chat) ? remembered.chat.slice(-KEPT_MESSAGES) : []) {
    if (isText(id, 64) && isText(text, 500)) chat.set(id, { id, text });
  }
  room.chat = [...chat.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(-KEPT_MESSAGES);
  if (Number.isFinite(remembered.endsAt)) room.endsAt = Math.min(room.endsAt, remembered.endsAt);
}

function forget(name) {
  if (name && !io.of("/").adapter.rooms.has(name)) rooms.delete(name);
}

io.on("connection", (socket) => {
  connects.inc({ result: "ok" });
  let messages = 0;

  socket.on("join", ({ room: name, state } = {}, answer = () => {}) => {
    if (!isText(name, 64)) return answer({ error: "a room has a name of 1 to 64 characters" });
    if (battle === "off" && !rooms.has(name) && !state) return answer({ error: "battle is off" });
    if (!rooms.has(name)) rooms.set(name, { endsAt: Date.now() + ROUND_MS, chat: [] });
    const room = rooms.get(name);
    if (state) merge(room, state);
    const before = socket.data.room;
    if (before && before !== name) socket.leave(before);
    socket.join(name);
    socket.data.room = name;
    if (before !== name) forget(before);
    answer({ release: RELEASE, state: room });
  });

  socket.on("chat", ({ text } = {}, answer = () => {}) => {
    const room = rooms.get(socket.data.room);
    if (!room || !isText(text, 500)) return answer({ error: "join a room, then say 1 to 500 characters" });
    const message = { id: `${Date.now().toString(36)}-${socket.id}-${++messages}`, text };
    merge(room, { chat: [message] });
    io.to(socket.data.room).emit("chat", message);
    answer({ id: message.id });
  });

  socket.on("disconnect", () => {
    disconnects.inc();
    forget(socket.data.room);
  });
});

setInterval(() => {
  for (const [name, { endsAt }] of rooms) io.to(name).emit("timer", { left: Math.max(0, endsAt - Date.now()), endsAt });
}, 1000);

// --- graceful stop ------------------------------------------------------------------------------------------

// No new connections: whoever comes is refused and tries another replica. Players are told, and each is let go at
// a time of its own within half of the drain, so that they do not all arrive elsewhere at once; losing the
// transport, a client reconnects by itself, which it would not after a disconnect of the protocol's.
function drain() {
  if (stopping) return;
  stopping = true;
  console.log(`draining: ${io.engine.clientsCount} connections`);
  server.close();
  setTimeout(() => { status = "draining"; }, 250); // requests that are on their way are still answered as before
  for (const socket of io.of("/").sockets.values()) {
    const within = Math.random() * (DRAIN_MS / 2);
    socket.emit("leaving", { within: Math.round(within) });
    setTimeout(() => socket.conn.close(), within);
  }
  const started = Date.now();
  setInterval(() => {
    const age = Date.now() - started;
    if (age < 500 || (io.engine.clientsCount > 0 && age < DRAIN_MS)) return;
    console.log(`stopped: ${io.engine.clientsCount} connections left`);
    process.exit(0);
  }, 100);
}

process.on("SIGTERM", drain);
process.on("SIGINT", drain);

server.listen(PORT, () => {
  const given = NAMES.filter((name) => settings[name]);
  console.log(`release ${RELEASE} listens on ${PORT}; set: ${given.join(", ") || "nothing"}`);
});
