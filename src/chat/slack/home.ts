import type { App } from "@slack/bolt";
import { ACTIONS } from "./blocks.ts";
import type { ListenerContext } from "./context.ts";
import { homeView } from "./views.ts";

const MOST_LINKS = 10;

/** The App Home: what awaits approval, what runs, the figures, the kill switch. Drawn anew at each visit and after each press. */
export function listenToHome(app: App, context: ListenerContext): void {
  app.event("app_home_opened", async ({ event }) => {
    if (event.tab === "home") await publish(context, event.user, null);
  });
  for (const [action, command] of [
    [ACTIONS.stop, "stop from the App Home"],
    [ACTIONS.resume, "resume"],
    [ACTIONS.refresh, null],
  ] as const) {
    app.action(action, async ({ body, ack }) => {
      await ack();
      const id = body.user.id;
      const notice =
        command === null
          ? null
          : await context.handlers
              .command(command, await context.people.named(id), { surface: "slack", channel: id, thread: null })
              .catch(() => "That failed; the reason was logged. Try again, or use `/vigil`.");
      await publish(context, id, notice);
    });
  }
  // A link needs no work from us, but Slack reports the press and wants to hear that it arrived.
  app.action(new RegExp(`^${ACTIONS.open}_`), ({ ack }) => ack());
}

async function publish({ client, people, handlers, store }: ListenerContext, id: string, notice: string | null): Promise<void> {
  const facts = await handlers.home(await people.named(id));
  const subjects = [
    ...facts.awaiting.map(({ proposal }) => `proposal:${proposal.id}`),
    ...facts.running.map((one) => `investigation:${one.id}`),
  ].slice(0, MOST_LINKS);
  const links = new Map<string, string>();
  await Promise.all(
    subjects.map(async (subject) => {
      const ref = await store.ref(subject, "slack");
      const link = ref && (await client.chat.getPermalink({ channel: ref.channel, message_ts: ref.message }).catch(() => null));
      if (link?.permalink) links.set(subject, link.permalink);
    }),
  );
  await client.views.publish({ user_id: id, view: homeView(facts, links, notice) });
}
