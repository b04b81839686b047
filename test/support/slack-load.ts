import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Presenter } from "../../src/chat/presenter.ts";
import { slackSurface } from "../../src/chat/slack/index.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { FakeHandlers, silentLog } from "./fake-handlers.ts";
import { BOT, eventOf, FakeSlack, type SlackPost } from "./fake-slack.ts";
import { seededRandom } from "./synthetic-metrics.ts";

/**
 * Slack under fire: events at a steady pace over a socket into the real surface with a database file on disk. Some come twice, some calls are
 * answered with 429, refused or lost, and the socket drops twice. Counts what was lost and what was answered twice.
 */
export async function slackLoad(options: { readonly perMinute: number; readonly seconds: number; readonly seed: number }) {
  const folder = mkdtempSync(join(tmpdir(), "vigil-bench-slack-"));
  const db = await openStateDatabase(join(folder, "vigil.db"));
  const slack = await FakeSlack.start();
  const handlers = new FakeHandlers();
  const store = new ConversationRepository(db);
  const surface = slackSurface({
    botToken: "xoxb-bench",
    appToken: "xapp-bench",
    channel: "C0INC",
    apiUrl: slack.apiUrl,
    store,
    log: silentLog,
  });
  // Delivers what Slack did not take at once.
  const presenter = new Presenter({ surfaces: [surface], store, log: silentLog });
  await surface.start(handlers);
  const random = seededRandom(options.seed);
  const total = Math.round((options.perMinute * options.seconds) / 60);
  const gap = 60_000 / options.perMinute;
  const asked: SlackPost[] = [];
  const acks: number[] = [];
  const pending: Promise<void>[] = [];
  let duplicates = 0;
  let unacknowledged = 0;
  let retries = 0;
  /** What is not acknowledged within 3 s is sent again, as Slack does it, three times at most. */
  const send = async (event: Record<string, unknown>, eventId: string, retry: number): Promise<void> => {
    try {
      acks.push(await slack.event(event, { eventId, ...(retry ? { retry } : {}) }));
    } catch {
      if (retry < 3) {
        retries++;
        await send(event, eventId, retry + 1);
      } else unacknowledged++;
    }
  };
  const deliver = (event: Record<string, unknown>, eventId: string, retry = 0) => void pending.push(send(event, eventId, retry));
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  for (let index = 0; index < total; index++) {
    const wait = begun + index * gap - performance.now();
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    // Slack sends again what a dropped socket swallowed; here it drops between two events.
    if (index === Math.floor(total / 3) || index === Math.floor((2 * total) / 3)) slack.dropConnections();
    if (random() < 0.02) slack.fail("chat.startStream", random() < 0.5 ? { retryAfter: 1 } : "lost");
    if (random() < 0.02)
      slack.fail("chat.stopStream", random() < 0.5 ? { error: "message_not_in_streaming_state" } : { retryAfter: 1 });
    const user = `U${String(index % 400).padStart(4, "0")}`;
    const kind = random();
    if (kind < 0.6) {
      const post = slack.write(user, `<@${BOT.user_id}> question ${index}`);
      asked.push(post);
      deliver(eventOf("app_mention", post), `Ev${index}`);
      // Slack tells a channel message of the same words, too.
      if (random() < 0.3) deliver({ ...eventOf("app_mention", post), type: "message" }, `Ev${index}m`);
      if (random() < 0.1) {
        duplicates++;
        deliver(eventOf("app_mention", post), `Ev${index}`, 1);
      }
    } else if (kind < 0.8) deliver(eventOf("message", slack.write(user, "talk among people")), `Ev${index}`);
    else {
      const on = slack.write("U9999", "somebody else's message");
      deliver(
        {
          type: "reaction_added",
          user,
          reaction: "+1",
          item: { type: "message", channel: on.channel, ts: on.ts },
          item_user: on.user,
          event_ts: on.ts,
        },
        `Ev${index}`,
      );
    }
  }
  await Promise.all(pending);
  const answered = (post: SlackPost) =>
    slack
      .thread(post.ts)
      .filter(
        ({ user, blocks, stream }) =>
          user === BOT.user_id && `${stream?.markdown ?? ""}${JSON.stringify(blocks)}`.includes("catalog is slower"),
      );
  const end = performance.now() + 60_000;
  while (asked.some((post) => answered(post).length === 0) && performance.now() < end)
    await new Promise((done) => setTimeout(done, 100));
  const took = performance.now() - begun;
  const cpu = process.cpuUsage(cpuBefore);
  const lost = asked.filter((post) => answered(post).length === 0).length;
  const twice =
    asked.filter((post) => answered(post).length > 1).length +
    (handlers.questions.length - new Set(handlers.questions.map(({ messageId }) => messageId)).size);
  await presenter.close();
  await surface.stop();
  await db.destroy();
  await slack.stop();
  rmSync(folder, { recursive: true, force: true });
  const sorted = acks.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return {
    events: acks.length + unacknowledged,
    questions: asked.length,
    duplicates,
    lost,
    twice,
    unacknowledged,
    retries,
    refusedBlocks: slack.refused.length,
    ack: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN },
    cpuMsPerEvent: (cpu.user + cpu.system) / 1_000 / (acks.length + unacknowledged),
    seconds: took / 1_000,
    megabytes: process.memoryUsage().rss / 1_000_000,
  };
}
