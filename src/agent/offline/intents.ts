export type Intent =
  | "courtesy"
  | "help"
  | "approval"
  | "situation"
  | "next"
  | "why"
  | "why_so"
  | "why_not"
  | "safe_to_change"
  | "version"
  | "changes"
  | "changed_before"
  | "seen_before"
  | "owner"
  | "blast_radius"
  | "metric"
  | "compare"
  | "logs"
  | "traces"
  | "runbook"
  | "check"
  | "unknown_service"
  | "unclear";

/** What a question may be about without a service; a word that looks like one is then no reason to ask back. */
const GENERAL: ReadonlySet<Intent> = new Set<Intent>([
  "courtesy",
  "help",
  "approval",
  "situation",
  "next",
  "why_so",
  "why_not",
  "safe_to_change",
  "changes",
  "changed_before",
  "seen_before",
  "runbook",
  "unclear",
]);

export const isGeneral = (intent: Intent): boolean => GENERAL.has(intent);

const CHANGE = String.raw`(?:chang\w+|deploy\w*|releas\w+|roll(?:ed)?[ -]?out\w*)`;
const PUSH = "(?:deploy|release|ship|merge|push|roll ?out)";
const STATE = String.raw`(?:ok(?:ay)?|fine|good|healthy|well|up|down|alive|dead|broken|slow\w*|failing|erroring|affected|impacted|degraded|normal)`;

/** First match wins, so the more particular come first. */
const INTENTS: readonly (readonly [Intent, RegExp])[] = [
  [
    "courtesy",
    /^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|night)|thanks?|thank you|thx|cheers|great|nice|cool|perfect|well done|good (?:job|bot|work)|bye)(?: (?:vigil|there|all|team|a lot|so much|very much|you|job|work))*[\s!.,]*)+$/,
  ],
  [
    "help",
    /^help\b|\bwhat (?:can|do|could) (?:you|i) (?:do|ask|say|type|know)\b|\bhow (?:do|can) (?:i|we) (?:use|talk to|ask) (?:you|this)\b|\bwho are you\b|\bwhat are you\b/,
  ],
  [
    "approval",
    /^(?:(?:yes|yep|ok(?:ay)?|please|lgtm)[\s,!.]*)*(?:i )?(?:approved?|lgtm|go ahead|do it|confirm(?:ed)?|make it so)\b/,
  ],
  [
    "why_so",
    /\bwhy (?:do|did|would|are) you\b|\bhow do you know\b|\bwhat makes you\b|\bare you sure\b|\b(?:what is|show|where is) (?:the |your )?(?:proof|evidence|reasoning)\b|\bexplain (?:that|yourself|your)/,
  ],
  [
    "why_not",
    /\bwhy (?:not|is(?:n't| it not)|was(?:n't| it not)|could(?:n't| it not))\b|\b(?:could|can|might|may) (?:it|this|that) (?:be|have been)\b|\bruled? out\b|\bshould (?:i|we) (?:not )?(?:roll ?back|revert|undo|disable|turn off|switch off|restart|scale)\b/,
  ],
  [
    "safe_to_change",
    new RegExp(
      String.raw`\b(?:safe|ok(?:ay)?|fine|alright|good (?:time|idea|moment)) (?:for us |for me )?to ${PUSH}\b|\b(?:can|may|should|could) (?:i|we|one) (?:now )?${PUSH}\b|\b(?:freeze|frozen)\b`,
    ),
  ],
  [
    "compare",
    /\b(?:compar\w*|versus|vs\.?|against)\b.*\b(?:week|yesterday|before|usual|normal)\b|\blast week\b|\bweek over week\b/,
  ],
  [
    "changed_before",
    new RegExp(
      String.raw`\b${CHANGE}\b.*\b(?:like (?:this|that|it)|similar)\b|\b(?:similar|ever)\b.*\b${CHANGE}\b|\b(?:past|earlier) (?:changes?|deploys?|releases?|roll-?outs?)\b`,
    ),
  ],
  [
    "version",
    /\b(?:which|what)(?:'s| is)? (?:the )?(?:current )?(?:version|release|build|image|commit)\b|\bversion of\b|\bwhat(?:'s| is) (?:deployed|running)\b|\bwhat runs\b/,
  ],
  [
    "changes",
    /\bchang(?:e|ed|es|ing)\b|\bdeploy(?:s|ed|ment|ments)?\b|\breleas(?:e|ed|es)\b|\brolled out\b|\bflags?\b.*\b(?:since|today|flipped|toggled)\b|\bwho (?:deployed|flipped|toggled|pushed)\b/,
  ],
  [
    "seen_before",
    /\bseen (?:this|it|that|something like)\b|\bhappened before\b|\b(?:similar|past|previous|earlier) (?:incident|outage|case|problem)s?\b|\bever (?:had|seen|happened)\b|\bhad (?:this|that) before\b/,
  ],
  [
    "owner",
    /\bwho(?:'s| is| are)?\b.*\b(?:on[- ]?call|on duty|owns?|owner|responsible|maintains?|team)\b|\bowner of\b|\bwhich team\b|\bwho (?:do|should|can) (?:i|we) (?:call|page|ask|wake)\b/,
  ],
  [
    "blast_radius",
    /\bblast radius\b|\bdepend(?:s|ent|ents|encies|ency)?\b|\b(?:upstream|downstream)\b|\bwho calls\b|\bwhat (?:else )?(?:breaks|is affected|would break)\b|\bimpact of\b/,
  ],
  [
    "runbook",
    /\brun ?books?\b|\bplaybooks?\b|\bhow (?:do|to|can) (?:i|we|one)?\s*(?:restart|handle|drain|fail ?over|scale|debug)\b/,
  ],
  ["traces", /\btraces?\b|\bspans?\b|\bslow(?:est)? (?:requests?|calls?|queries)\b/],
  ["logs", /\blogs?\b|\blog lines?\b|\berror messages?\b|\bexceptions?\b|\bstack ?traces?\b/],
  [
    "why",
    /\bwhy\b|\bwhat(?:'s| is) (?:causing|behind|wrong with|going on (?:with|in)|up with|happening (?:to|with|in))\b|\broot cause\b|\binvestigat\w+\b|\bdiagnos\w+\b|\bwhat (?:broke|happened (?:to|with|in))\b|\b(?:look|dig) into\b/,
  ],
  [
    "next",
    /\bwhat (?:should|shall|do|can|must|could|would) (?:i|we|you) (?:do|check|try|look at|suggest|recommend|propose)\b|\bwhat(?:'s| is) (?:the |your )?(?:next|plan|fix|remedy|mitigation|recommendation|proposal)\b|\bnext steps?\b|\bhow (?:do|to|can|should) (?:i|we|one)?\s*(?:fix|mitigate|solve|resolve|stop)\b|\bwhat now\b|\brecommend\w*\b/,
  ],
  [
    "metric",
    /\bp(?:50|90|95|99)\b|\b(?:show|plot|graph|chart|draw|give)\b|\b(?:latency|error rate|errors|throughput|traffic|requests?|rps|qps|duration|response time)\b/,
  ],
  ["check", /\b(?:check|look at|inspect|what about|and the|how about)\b/],
  [
    "situation",
    new RegExp(
      [
        String.raw`\b(?:anything|something|everything|all) (?:is |else )*(?:wrong|broken|ok(?:ay)?|fine|good|unusual|anomalous|up|normal|quiet)\b`,
        String.raw`\bis (?:anything|everything|something)\b`,
        String.raw`\bare (?:we|there)\b`,
        String.raw`\bhow (?:is|are|'s)\b`,
        String.raw`\b(?:is|are)\b.*\b${STATE}\b`,
        String.raw`\bwhat(?:'s| is| has) (?:else )?(?:going on|happening|happened|up|new|wrong|broken|down|failing|open|unusual|anomalous|on fire|burning|waiting|pending|awaiting)\b`,
        String.raw`\bwhat(?:'s| is) (?:the )?(?:status|situation|problem|issue|matter|state|news)\b`,
        String.raw`\bwhat (?:happened|did i miss)\b`,
        String.raw`\b(?:status|sitrep|summary|summari[sz]e|tl;?dr|catch me up|overview|update me|any (?:news|update))\b`,
        String.raw`\b(?:any|open|current|active|ongoing|list)\b.*\b(?:incidents?|investigations?|alerts?|anomal(?:y|ies)|problems?|issues?|outages?)\b`,
        String.raw`\b(?:pending|open) (?:approvals?|proposals?|actions?)\b`,
        String.raw`\bwhich (?:services?|systems?)\b`,
        String.raw`\bhealthy?\b`,
      ].join("|"),
    ),
  ],
];

/** What is wanted, by general rules of how engineers ask. `words` are in lower case. */
export const intentOf = (words: string): Intent => INTENTS.find(([, pattern]) => pattern.test(words))?.[0] ?? "unclear";
