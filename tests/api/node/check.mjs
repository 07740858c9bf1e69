// The official Node client against the server at FIRESIDE_URL. Prints one JSON line with what it
// saw; test_node_client.py says what that must be.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.FIRESIDE_URL}/v1`,
  apiKey: process.env.FIRESIDE_KEY,
  maxRetries: 0,
});
const messages = [{ role: "user", content: "Hi" }];
const seen = {};

const models = [];
for await (const model of client.models.list()) models.push(model.id);
seen.models = models;

const whole = await client.chat.completions.create({ model: "able", messages });
seen.whole = whole.choices[0].message.content;
seen.total_tokens = whole.usage.total_tokens;

const stream = await client.chat.completions.create({
  model: "able",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
seen.streamed = "";
for await (const chunk of stream) {
  seen.streamed += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.usage) seen.streamed_tokens = chunk.usage.total_tokens;
}

const final = await client.chat.completions
  .stream({ model: "able", messages, n: 2 })
  .finalChatCompletion();
seen.choices = final.choices.map((choice) => choice.message.content);

const text = await client.completions.create({ model: "able", prompt: "Once" });
seen.text = text.choices[0].text;

const vectors = await client.embeddings.create({ model: "able", input: ["ab"] });
seen.vector = Array.from(vectors.data[0].embedding);

try {
  await client.chat.completions.create({ model: "nope", messages });
} catch (error) {
  seen.error = {
    kind: error.constructor.name,
    status: error.status,
    code: error.code,
    param: error.param,
    type: error.type,
    has_request_id: Boolean(error.requestID),
  };
}

const refused = new OpenAI({
  baseURL: `${process.env.FIRESIDE_URL}/v1`,
  apiKey: "fs-wrong",
  maxRetries: 0,
});
try {
  await refused.models.list();
} catch (error) {
  seen.refused = error.constructor.name;
}

const abandoned = await client.chat.completions.create({
  model: "able",
  messages: [{ role: "user", content: "go on" }],
  stream: true,
});
let numChunks = 0;
for await (const _chunk of abandoned) {
  numChunks += 1;
  if (numChunks === 5) break;
}
seen.abandoned_after = numChunks;

console.log(JSON.stringify(seen));
