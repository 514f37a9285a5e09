// The official client against a gateway: chat, stream, abort, error classes, models.
import assert from "node:assert/strict";
import OpenAI from "openai";

const { BASE_URL: baseURL, API_KEY: apiKey } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = (fields = {}) => ({ model: "base", max_tokens: 16, temperature: 0, messages: [{ role: "user", content: "What is a river?" }], ...fields });
let passed = 0;

async function check(name, body) {
  await body();
  passed += 1;
  console.log(`ok ${name}`);
}

await check("models are listed", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, ["base", "team/one", "two"]);
});

await check("one model is found by its name", async () => {
  assert.equal((await client.models.retrieve("team/one")).id, "team/one");
});

let whole;
await check("a chat has an answer and its usage", async () => {
  const { data, response } = await client.chat.completions.create(ask()).withResponse();
  whole = data.choices[0].message.content;
  assert.equal(data.model, "base");
  assert.ok(data.usage.prompt_tokens > 0 && data.usage.completion_tokens > 0);
  assert.match(response.headers.get("x-request-id"), /^req-/);
});

await check("a stream has the same text and no usage", async () => {
  let text = "";
  for await (const chunk of await client.chat.completions.create(ask({ stream: true }))) {
    assert.equal(chunk.choices.length, 1);
    text += chunk.choices[0].delta.content ?? "";
  }
  assert.equal(text, whole);
});

await check("a stream has usage when asked for", async () => {
  let usage;
  for await (const chunk of await client.chat.completions.create(ask({ stream: true, stream_options: { include_usage: true } }))) usage = chunk.usage ?? usage;
  assert.ok(usage.total_tokens > 0);
});

await check("a completion works", async () => {
  const answer = await client.completions.create({ model: "two", prompt: "A river is", max_tokens: 8 });
  assert.equal(answer.model, "two");
  assert.equal(typeof answer.choices[0].text, "string");
});

await check("a stream can be aborted", async () => {
  const stream = await client.chat.completions.create(ask({ stream: true, max_tokens: 400 }));
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    stream.controller.abort();
  }
});

await check("a plain request can be aborted", async () => {
  const controller = new AbortController();
  const answer = client.chat.completions.create(ask({ max_tokens: 400 }), { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(answer, OpenAI.APIUserAbortError);
});

await check("a wrong key is an AuthenticationError", async () => {
  const stranger = new OpenAI({ baseURL, apiKey: "sust_wrong", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

await check("an unknown model is a NotFoundError that names what exists", async () => {
  await assert.rejects(client.chat.completions.create(ask({ model: "nope" })), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.match(error.message, /base, team\/one, two/);
    return true;
  });
});

await check("a private field is a BadRequestError that names it", async () => {
  await assert.rejects(client.chat.completions.create(ask({ lora: [] })), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "lora");
    return true;
  });
});

console.log(`${passed} checks passed`);
