// Calls every method of the API with Node's gRPC, and checks the answers.
//
//     node client.js ADDRESS DIR
//
// ADDRESS is what gRPC calls a target, such as localhost:15441 or unix:///run/rkt/api.sock; DIR
// is the data directory that the server is to tell of. README.md beside this folder says what is
// expected of the host, and what is to happen while this runs. Ends with 1 and a line for each
// difference.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));

const DEADLINE_MS = 60_000;

const options = { keepCase: true, longs: String, enums: String, bytes: String, defaults: true };
const { v1alpha } = grpc.loadPackageDefinition(loadSync(file("../../../proto/api.proto"), options));

const deadline = () => ({ deadline: Date.now() + DEADLINE_MS });

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** What of `expected` is not so in `answer`, which may have more fields. */
function* differences(expected, answer, where) {
  if (isObject(expected) && isObject(answer)) {
    for (const [name, value] of Object.entries(expected)) {
      yield* differences(value, answer[name], `${where}.${name}`);
    }
  } else if (Array.isArray(expected) && Array.isArray(answer)) {
    if (expected.length !== answer.length) {
      const all = JSON.stringify(answer);
      yield `${where}: ${answer.length} instead of ${expected.length}: ${all}`;
    }
    const length = Math.min(expected.length, answer.length);
    for (let index = 0; index < length; index += 1) {
      yield* differences(expected[index], answer[index], `${where}[${index}]`);
    }
  } else if (!isDeepStrictEqual(expected, answer)) {
    yield `${where}: ${JSON.stringify(answer)} instead of ${JSON.stringify(expected)}`;
  }
}

/** The answer to a call with its status; of a stream, all that comes, as one. */
async function call(client, { call: name, request }) {
  try {
    if (!v1alpha.PublicAPI.service[name].responseStream) {
      const answer = await new Promise((resolve, reject) => {
        client[name](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
      });
      return { code: "OK", ...answer };
    }
    const whole = { code: "OK" };
    for await (const part of client[name](request, deadline())) {
      for (const [field, values] of Object.entries(part)) {
        whole[field] = [...(whole[field] ?? []), ...values];
      }
    }
    return whole;
  } catch (error) {
    return { code: grpc.status[error.code] };
  }
}

/** The calls in calls.json. */
async function table(client, dataDir) {
  const text = readFileSync(file("../calls.json"), "utf8");
  const found = [];
  for (const one of JSON.parse(text.replaceAll("{data_dir}", dataDir))) {
    const where = `${one.call} ${JSON.stringify(one.request)}`;
    const expected = { code: "OK", ...one.answer };
    found.push(...differences(expected, await call(client, one), where));
  }
  return found;
}

/** An event and a line of a log, as they come. */
async function living(client) {
  const found = [];
  const pod = "c11e0001-8c1d-4a7e-9d26-6e1f07a4c501";
  const filter = { types: ["EVENT_TYPE_APP_EXITED"], ids: [pod] };
  const listening = client.ListenEvents({ filter }, deadline());
  const request = { pod_id: pod, app_name: "web", lines: 1, follow: true };
  const following = client.GetLogs(request, deadline());
  const events = items(listening, "events");
  const lines = items(following, "lines");
  // From then on nothing is missed.
  await Promise.all([listening, following].map(headers));
  found.push(...differences("GET / 200", said(await next(lines)), "the last line"));
  console.log("listening");

  found.push(...differences("GET /cart 200", said(await next(lines)), "the next line"));
  const expected = { type: "EVENT_TYPE_APP_EXITED", id: pod, from: "web" };
  const event = await next(events);
  found.push(...differences(expected, event, "the event"));
  const data = Object.fromEntries(event.data.map(({ Key, value }) => [Key, value]));
  found.push(...differences({ exit_code: "7" }, data, "the event's data"));
  for (const stream of [listening, following]) {
    // That it was cancelled is an error of the stream, too.
    stream.on("error", () => {});
    stream.cancel();
  }
  return found;
}

const headers = (stream) =>
  new Promise((resolve, reject) => stream.once("metadata", resolve).once("error", reject));

/** What comes by a stream, one by one. */
async function* items(stream, field) {
  for await (const response of stream) {
    yield* response[field];
  }
}

async function next(stream) {
  const { done, value } = await stream.next();
  if (done) {
    throw new Error("a stream has ended");
  }
  return value;
}

const said = (line) => line.slice(line.indexOf("MESSAGE=") + "MESSAGE=".length);

const [address, dataDir] = process.argv.slice(2);
const client = new v1alpha.PublicAPI(address, grpc.credentials.createInsecure());
const found = [...(await table(client, dataDir)), ...(await living(client))];
client.close();
for (const difference of found) {
  console.error(difference);
}
process.exitCode = found.length === 0 ? 0 : 1;
