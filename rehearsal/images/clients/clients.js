// Watches the battle server from outside: players in rooms over Socket.io, and a prober that asks for one URL at a
// fixed rate. Prints one JSON object a line; ends by itself, after --seconds, or at SIGTERM, with a summary.
//
//   node clients.js --url http://198.18.0.2:8080 --origin https://share-paint.app [--players 50] [--rooms 5]
//     [--rate 100] [--path /healthz] [--seconds 60] [--transports websocket,polling] [--keep-alive] [--insecure]
//     [--connect ADDRESS]   where the host of --url is, whatever DNS says
"use strict";

const http = require("node:http");
const https = require("node:https");
const { parseArgs } = require("node:util");
const { io } = require("socket.io-client");

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    origin: { type: "string" },
    players: { type: "string", default: "50" },
    rooms: { type: "string", default: "5" },
    rate: { type: "string", default: "0" },
    path: { type: "string", default: "/healthz" },
    seconds: { type: "string", default: "60" },
    transports: { type: "string", default: "websocket,polling" },
    connect: { type: "string" },
    "keep-alive": { type: "boolean", default: false },
    insecure: { type: "boolean", default: false },
  },
});
const number = (name, most) => {
  const value = Number(options[name]);
  if (!(value >= 0 && value <= most)) throw new Error(`--${name}: a number up to ${most}`);
  return value;
};
const PLAYERS = number("players", 1000);
const ROOMS = number("rooms", 1000);
const RATE = number("rate", 1000);
const SECONDS = number("seconds", 1800);
const REQUEST_TIMEOUT = 5000;

const print = (event, fields = {}) => process.stdout.write(JSON.stringify({ t: Date.now(), event, ...fields }) + "\n");

// Where the host of the URL is: a name that no DNS knows still goes into SNI and the Host header.
const lookup = options.connect
  ? (_, wanted, answer) =>
      wanted.all ? answer(null, [{ address: options.connect, family: 4 }]) : answer(null, options.connect, 4)
  : undefined;
const secure = options.url.startsWith("https:");
const agentOptions = { keepAlive: options["keep-alive"], rejectUnauthorized: !options.insecure, lookup };
const agent = secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);

// --- players ------------------------------------------------------------------------------------------------

const counts = { connects: 0, reconnects: 0, refused: 0, lost: 0, kept: 0, reconnectMs: [] };
const players = [];

function player(index) {
  const room = `room-${index % ROOMS}`;
  let state; // what this player remembers of the room
  let lostAt;
  const socket = io(options.url, {
    transports: options.transports.split(","),
    extraHeaders: { Origin: options.origin },
    withCredentials: true, // the proxy's cookie keeps the requests of one session at one task (docs/app-contract.md)
    reconnectionDelay: 100,
    reconnectionDelayMax: 1000,
    forceNew: true,
    agent,
    rejectUnauthorized: !options.insecure,
  });

  socket.on("connect", () => {
    const again = lostAt === undefined ? undefined : Date.now() - lostAt;
    socket.timeout(10_000).emit("join", { room, state }, (error, answer) => {
      if (error && !socket.connected) return; // lost meanwhile, which "disconnect" tells; it joins when it is back
      if (error || answer.error) return print("join-failed", { player: index, error: answer?.error ?? "no answer" });
      if (again === undefined) {
        counts.connects++;
        print("connect", { player: index, room, release: answer.release });
      } else {
        const has = new Set(answer.state.chat.map(({ id }) => id));
        const oldest = answer.state.chat[0]?.id ?? ""; // the server keeps the last ones only
        const kept =
          !state || // the connection was lost before the room was known
          (state.chat.every(({ id }) => id < oldest || has.has(id)) && answer.state.endsAt <= state.endsAt);
        counts.reconnects++;
        counts.reconnectMs.push(again);
        if (kept) counts.kept++;
        print("reconnect", { player: index, room, ms: again, release: answer.release, kept });
      }
      lostAt = undefined;
      state = answer.state;
    });
  });
  socket.on("chat", (message) => state?.chat.push(message) > 40 && state.chat.shift());
  socket.on("timer", ({ endsAt }) => { if (state) state.endsAt = Math.min(state.endsAt, endsAt); });
  socket.on("leaving", ({ within }) => print("leaving", { player: index, within }));
  socket.on("disconnect", (reason) => {
    counts.lost++;
    lostAt ??= Date.now();
    print("disconnect", { player: index, reason });
  });
  socket.on("connect_error", (error) => {
    counts.refused++;
    if (counts.refused <= 100) print("refused", { player: index, error: error.message, status: error.context?.status });
  });
  const talk = setInterval(() => {
    if (socket.connected && state) socket.emit("chat", { text: `player ${index} at ${Date.now()}` });
  }, 1000 + 10 * index);
  players.push({ socket, stop() { clearInterval(talk); socket.disconnect(); } });
}

for (let index = 0; index < PLAYERS; index++) player(index);

// --- prober -------------------------------------------------------------------------------------------------

const probes = { sent: 0, ok: 0, failed: 0, slowestMs: 0, failingMs: 0 };
let firstFailed; // when the first probe that failed was sent

function probe() {
  probes.sent++;
  const start = Date.now();
  let done = false;
  const end = (problem) => {
    if (done) return;
    done = true;
    const ms = Date.now() - start;
    probes.slowestMs = Math.max(probes.slowestMs, ms);
    if (!problem) return probes.ok++;
    firstFailed ??= start;
    probes.failingMs = Math.max(probes.failingMs, start - firstFailed);
    if (++probes.failed <= 100) print("probe-failed", { problem, ms });
  };
  const request = (secure ? https : http).get(new URL(options.path, options.url), { agent }, (response) => {
    response.resume();
    response.on("end", () => end(response.statusCode === 200 ? "" : `status ${response.statusCode}`));
    response.on("error", (error) => end(error.message));
    response.on("close", () => end("cut off"));
  });
  request.setTimeout(REQUEST_TIMEOUT, () => request.destroy(new Error("no answer")));
  request.on("error", (error) => end(error.code ?? error.message));
}

// A timer that fires late is made good, so that the rate holds.
const began = Date.now();
const probing = RATE && setInterval(() => {
  const due = ((Date.now() - began) / 1000) * RATE;
  while (probes.sent < due) probe();
}, 5);

// --- end ----------------------------------------------------------------------------------------------------

function summary() {
  const { reconnectMs, ...rest } = counts;
  const sorted = reconnectMs.sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  return {
    ...rest,
    connected: players.filter(({ socket }) => socket.connected).length,
    reconnectMs: { median: at(0.5), p95: at(0.95), most: at(1) },
    probes,
  };
}

let ending = false;
function end() {
  if (ending) return;
  ending = true;
  clearInterval(probing);
  const patience = Date.now() + REQUEST_TIMEOUT + 1000;
  const wait = setInterval(() => {
    if (probes.ok + probes.failed < probes.sent && Date.now() < patience) return;
    clearInterval(wait);
    print("summary", summary());
    for (const one of players) one.stop();
    process.stdout.write("", () => process.exit(0));
  }, 20);
}

setTimeout(end, 1000 * SECONDS);
process.on("SIGTERM", end);
process.on("SIGINT", end);
