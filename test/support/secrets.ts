/** One secret of each of the twelve kinds that must never be seen again. Put together at run time, so that no scanner takes them for leaked ones. */
export const SECRETS: readonly (readonly [kind: string, secret: string])[] = [
  ["Slack token", ["xoxb", "123456789012-abcdefghijkl"].join("-")],
  ["Slack app token", ["xapp", "1-A0123-456-abcdef0123"].join("-")],
  ["AWS key", `AKIA${"ABCDEFGHIJKLMNOP"}`],
  ["GitHub token", `ghp_${"a1B2".repeat(9)}`],
  ["JWT", `eyJhbGciOi.${"eyJzdWIiOiIx"}.c2lnbmF0dXJl`],
  ["private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"],
  ["Authorization header", "Authorization: Basic dXNlcjpwYXNz"],
  ["password", "password=hunter2hunter2"],
  ["connection string", "postgres://app:s3cr3tpw@db.internal/orders"],
  ["API key", `sk-proj-${"abcdEFGH1234".repeat(2)}`],
  ["card number", "4111 1111 1111 1111"],
  ["high-entropy text", "Zx9Qw7Er5Ty3Ui1Op0As2Df4Gh6Jk8Lz"],
];

/** What must not be seen again: the telling part of each. */
export const telling = (secret: string): string =>
  secret
    .replace(/^(?:Authorization: Basic |password=|postgres:\/\/app:|-----BEGIN RSA PRIVATE KEY-----\n)/, "")
    .split(/[\n@]/)[0] ?? "";
