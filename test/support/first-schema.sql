-- The state database as the first complete schema wrote it (migrations 010 to 050), with one of everything.
CREATE TABLE "kysely_migration" ("name" varchar(255) not null primary key, "timestamp" varchar(255) not null);
INSERT INTO "kysely_migration" VALUES ('010-investigations', '2026-11-25T16:57:03.826Z');
INSERT INTO "kysely_migration" VALUES ('020-proposals', '2026-11-25T16:57:03.854Z');
INSERT INTO "kysely_migration" VALUES ('030-knowledge', '2026-11-25T16:57:03.858Z');
INSERT INTO "kysely_migration" VALUES ('040-feedback', '2026-11-25T16:57:03.873Z');
INSERT INTO "kysely_migration" VALUES ('050-conversations', '2026-11-25T16:57:03.890Z');
CREATE TABLE "kysely_migration_lock" ("id" varchar(255) not null primary key, "is_locked" integer default 0 not null);
INSERT INTO "kysely_migration_lock" VALUES ('migration_lock', 0);
CREATE TABLE "incidents" ("id" text primary key, "state" text not null, "opened_at" bigint not null, "resolved_at" bigint, "body" text not null);
INSERT INTO "incidents" VALUES ('IN-1', 'resolved', 1795489200000, 1795492800000, '{"id":"IN-1","state":"resolved","openedAt":1795489200000,"resolvedAt":1795492800000,"services":["front"],"anomalies":[{"id":"ANO-1","service":"front","signal":"latency","labels":{},"kind":"level","direction":"up","startedAt":1795488060000,"detectedAt":1795488420000,"endedAt":null,"observed":0.224,"expected":0.2,"relativeChange":0.12,"score":1.6}],"title":"front latency up"}');
CREATE TABLE "investigations" ("id" text primary key, "incident_id" text, "state" text not null, "started_at" bigint not null, "finished_at" bigint, "body" text not null, "picture" text);
INSERT INTO "investigations" VALUES ('INV-1', 'IN-1', 'done', 1795489200000, 1795489202000, '{"id":"INV-1","incidentId":"IN-1","trigger":"anomaly","question":null,"anomalies":[{"id":"ANO-1","service":"front","signal":"latency","labels":{},"kind":"level","direction":"up","startedAt":1795488060000,"detectedAt":1795488420000,"endedAt":null,"observed":0.224,"expected":0.2,"relativeChange":0.12,"score":1.6}],"state":"done","startedAt":1795489200000,"finishedAt":1795489202000,"steps":[],"report":{"headline":"front is 12 % slower since 02:41: the flag new-layout, raised at 02:38, makes lookups miss","outcome":"cause_found","confidence":0.86,"hypotheses":[{"id":"H1","statement":"The flag new-layout makes lookups miss in shelf","cause":"flag","service":"shelf","changeId":"flag:new-layout@1","confidence":0.86,"status":"supported","evidenceFor":["E1"],"evidenceAgainst":[]}],"evidence":[{"id":"E1","tool":"list_changes","args":{},"title":"Changes before the onset","summary":"new-layout 0% → 25% by Maya at 02:38","facts":{"before":0,"after":25},"services":["shelf"],"at":1795488060000,"link":null,"suspicious":false}],"contributingFactors":[],"whatChanged":{"text":"new-layout 0% → 25%","evidence":["E1"]},"whatElseIsAnomalous":{"text":"shelf is slower too","evidence":["E1"]},"seenBefore":{"text":"nothing alike","evidence":[]},"blastRadiusOfActing":{"text":"25 % of requests","evidence":["E1"]},"blastRadius":{"upstream":[],"downstream":["shelf"],"trafficShare":0.25},"causalTest":null,"proposals":[],"nextChecks":[],"struckClaims":0,"mind":{"kind":"offline","name":"offline reasoner","fallbackReason":null},"cost":{"inputTokens":0,"outputTokens":0,"dollars":0,"toolCalls":4,"duration":1200},"prompts":[]}}', '{"title":"front latency","alt":"up","unit":"s","points":[{"at":1795489200000,"value":0.2}],"band":[],"anomalyFrom":1795489200000,"anomalyTo":null,"changes":[]}');
INSERT INTO "investigations" VALUES ('INV-2', NULL, 'running', 1795489205000, NULL, '{"id":"INV-2","incidentId":null,"trigger":"question","question":"why is front slow?","anomalies":[],"state":"running","startedAt":1795489205000,"finishedAt":null,"steps":[],"report":null}', NULL);
CREATE TABLE "turns" ("id" text primary key, "surface" text not null, "channel" text not null, "thread" text not null, "at" bigint not null, "speaker" text not null, "text" text not null);
INSERT INTO "turns" VALUES ('m1', 'web', 'incidents', 't1', 1795489200000, 'engineer', 'what changed?');
CREATE TABLE "memory" ("key" text primary key, "value" text not null);
INSERT INTO "memory" VALUES ('cursor/flags', '{"seen":["a"]}');
CREATE TABLE "counters" ("name" text primary key, "value" integer not null);
INSERT INTO "counters" VALUES ('INV', 2);
INSERT INTO "counters" VALUES ('IN', 1);
CREATE TABLE proposals (
          id TEXT PRIMARY KEY, rev INTEGER NOT NULL, state TEXT NOT NULL, target TEXT NOT NULL, investigation_id TEXT, needed INTEGER NOT NULL,
          created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, outcome TEXT, body TEXT NOT NULL, pre_state TEXT NOT NULL, snapshot TEXT NOT NULL);
INSERT INTO "proposals" VALUES ('PRO-1', 1, 'approved', 'flag:new-layout', 'INV-1', 1, 1795489200000, 1795489500000, NULL, '{"id":"PRO-1","rev":1,"state":"pending","action":"toggle_feature_flag","args":{"flag":"new-layout","percent":0},"target":"flag:new-layout","environment":"production","risk":{"tier":"T2","score":6,"lines":[]},"summary":"flag new-layout in production: 25% -> 0%","currentState":"25%","wantedState":"0%","undo":"25%","reason":"lookups miss","expectedEffect":"latency down","criterion":null,"digest":"d","requester":"vigil","investigationId":"INV-1","neededApprovals":1,"approvals":[],"createdAt":1795489200000,"expiresAt":1795489500000,"outcome":null}', '25%', '{}');
CREATE TABLE decisions (
          proposal_id TEXT NOT NULL, rev INTEGER NOT NULL, "user" TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT, via TEXT NOT NULL, at BIGINT NOT NULL,
          UNIQUE (proposal_id, rev, "user"));
INSERT INTO "decisions" VALUES ('PRO-1', 1, 'web:maya', 'approve', NULL, 'button', 1795489201000);
CREATE TABLE executions (
          proposal_id TEXT PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, claimed_at BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE locks (target TEXT PRIMARY KEY, proposal_id TEXT NOT NULL);
CREATE TABLE switches (name TEXT PRIMARY KEY, "by" TEXT NOT NULL, reason TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE experiments (id TEXT PRIMARY KEY, flag TEXT NOT NULL, snapshot TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE audit (
          seq INTEGER PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, data TEXT NOT NULL,
          prev_hash TEXT NOT NULL, hash TEXT NOT NULL);
INSERT INTO "audit" VALUES (1, 1795489200000, 'vigil', 'proposed', 'PRO-1', '{"digest":"d"}', '0000000000000000000000000000000000000000000000000000000000000000', '787df55f8ae11b2baf4d2e6397a5bdc7ee1694c6451d78354801a249bd8d7689');
INSERT INTO "audit" VALUES (2, 1795489201000, 'web:maya', 'approve', 'PRO-1', '{}', '787df55f8ae11b2baf4d2e6397a5bdc7ee1694c6451d78354801a249bd8d7689', '6a8b8f933a6b0c192aa015094bf79de3658fe4c14c3bc65644bb6a2b384faf43');
CREATE TABLE proposal_ids (id INTEGER PRIMARY KEY);
INSERT INTO "proposal_ids" VALUES (1);
CREATE TABLE documents (key TEXT PRIMARY KEY, collection TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL);
INSERT INTO "documents" VALUES ('vigil/INV-1', 'vigil', 'h1', '{"id":"INV-1","kind":"incident","title":"front slow","file":"incidents/INV-1","services":["front"],"metadata":{},"text":"the key layout"}');
CREATE TABLE vectors (hash TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (hash, model));
INSERT INTO "vectors" VALUES ('v1', 'm', X'0000003f000080bf');
CREATE TABLE "feedback" ("investigation_id" text not null, "user" text not null, "verdict" text not null, "real_cause" text, "missed" text, "action_effective" integer, "via" text not null, "at" bigint not null, constraint "feedback_one_vote" primary key ("investigation_id", "user"));
INSERT INTO "feedback" VALUES ('INV-1', 'web:maya', 'correct', 'the key layout', NULL, 1, 'form', 1795489204000);
CREATE TABLE "feedback_history" ("investigation_id" text not null, "user" text not null, "at" bigint not null, "body" text);
INSERT INTO "feedback_history" VALUES ('INV-1', 'web:maya', 1795489203000, '{"investigationId":"INV-1","user":"web:maya","verdict":"partly","realCause":null,"missed":null,"actionEffective":null,"via":"button","at":1795489203000}');
INSERT INTO "feedback_history" VALUES ('INV-1', 'web:maya', 1795489204000, '{"investigationId":"INV-1","user":"web:maya","verdict":"correct","realCause":"the key layout","missed":null,"actionEffective":true,"via":"form","at":1795489204000}');
CREATE TABLE message_refs (subject TEXT NOT NULL, surface TEXT NOT NULL, channel TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (subject, surface));
INSERT INTO "message_refs" VALUES ('investigation:INV-1', 'web', 'incidents', 'investigation:INV-1');
CREATE TABLE channel_messages (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, thread TEXT, at BIGINT NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
INSERT INTO "channel_messages" VALUES ('m1', 1, 't1', 1795489200000, 'maya', 'text', '"what changed?"');
CREATE TABLE inbox (source TEXT NOT NULL, event_id TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (source, event_id));
CREATE INDEX "investigations_by_start" on "investigations" ("started_at");
CREATE INDEX "turns_by_thread" on "turns" ("surface", "channel", "thread", "at");
CREATE INDEX proposals_by_state ON proposals (state);
CREATE INDEX refs_by_message ON message_refs (surface, channel, message);
CREATE INDEX messages_by_seq ON channel_messages (seq);
