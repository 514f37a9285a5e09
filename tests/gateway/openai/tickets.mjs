// The official client asks a tuned model its task: every line of a chat JSONL, whole and streamed.
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const { BASE_URL: baseURL, API_KEY: apiKey, MODEL: model, QUESTIONS } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const records = readFileSync(QUESTIONS, "utf8").trim().split("\n").map((line) => JSON.parse(line).messages);
let right = 0;
let streamed = 0;

for (const [question, answer] of records) {
  const request = { model, temperature: 0, max_tokens: 40, messages: [question] };
  const whole = (await client.chat.completions.create(request)).choices[0].message.content;
  let text = "";
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? "";
  }
  right += whole.trim() === answer.content;
  streamed += text === whole;
}
console.log(JSON.stringify({ asked: records.length, right, streamed }));
